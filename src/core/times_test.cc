#include "core/times.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr std::int64_t kNoon = 1'709'208'000;  // 2024-02-29T12:00:00Z

TEST(Times, MomentsOfTexts) {
  EXPECT_EQ(parse_timestamp("2024-02-29T12:00:00Z", 0), kNoon);
  EXPECT_EQ(parse_timestamp("2024-02-29 12:00", 0), kNoon);
  EXPECT_EQ(parse_timestamp("2024-02-29", 0), kNoon - 43'200);
  EXPECT_EQ(parse_timestamp("2024-02-29T12:00:00.5+02:00", 3), (kNoon - 7200) * 1000 + 500);
  EXPECT_EQ(parse_timestamp("2024-02-29T12:00:00-0530", 0), kNoon + 19'800);
  EXPECT_EQ(parse_timestamp("2024-02-29t12:00:00.123456789z", 9),
            kNoon * 1'000'000'000 + 123'456'789);
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.9999Z", 3), -1) << "rounded down";
  EXPECT_EQ(parse_timestamp("0000-01-01", 0), -62'167'219'200);
}

TEST(Times, WhatIsNoMoment) {
  for (const char* wrong : {"",
                            "soon",
                            "2024",
                            "2024-2-9",
                            "2023-02-29",
                            "2024-13-01",
                            "2024-00-01",
                            "24-01-01",
                            "2024-01-01T",
                            "2024-01-01 00",
                            "2024-01-01 24:00",
                            "2024-01-01 00:60",
                            "2024-01-01 00:00:60",
                            "2024-01-01T00:00:00.",
                            "2024-01-01T00:00:00.1234567890",
                            "2024-01-01T00:00:00 Z",
                            "2024-01-01T00:00:00+24",
                            "2024-01-01T00:00:00+2",
                            "2024-01-01T00:00:00+02:",
                            "2024-01-01Z",
                            "2024-01-01T00:00:00+02:00x",
                            " 2024-01-01",
                            "2024-01-01 ",
                            "-2024-01-01",
                            "2024/01/01"}) {
    EXPECT_EQ(parse_timestamp(wrong, 6), std::nullopt) << wrong;
  }
}

TEST(Times, ATextSaysWhetherItHasATimeAndAnOffset) {
  Moment moment;
  ASSERT_TRUE(read_moment("2024-02-29", moment));
  EXPECT_FALSE(moment.has_time || moment.has_offset);
  ASSERT_TRUE(read_moment("2024-02-29T12:00", moment));
  EXPECT_TRUE(moment.has_time && !moment.has_offset);
  ASSERT_TRUE(read_moment("2024-02-29T12:00Z", moment));
  EXPECT_TRUE(moment.has_time && moment.has_offset);
}

TEST(Times, NanosecondsEndBeforeTheOtherUnits) {
  EXPECT_EQ(parse_timestamp("2300-01-01", 9), std::nullopt);
  EXPECT_EQ(parse_timestamp("2300-01-01", 6), 10'413'792'000'000'000);
  std::int64_t units = 0;
  EXPECT_FALSE(to_unit({.seconds = 9'223'372'036'855}, 6, units));
  EXPECT_TRUE(to_unit({.seconds = -9'223'372'022'400}, 6, units)) << "DuckDB's first day";
  EXPECT_FALSE(to_unit({.seconds = -9'223'372'022'401}, 6, units));
}

TEST(Times, AreWrittenAsTheyAreRead) {
  for (const char* text : {"2024-02-29T12:00:00", "1969-12-31T23:59:59.999999",
                           "0000-01-01T00:00:00", "9999-12-31T23:59:59.000001"}) {
    std::string written;
    ASSERT_TRUE(write_moment(parse_timestamp(text, 6).value(), 6, written));
    EXPECT_EQ(written, text);
  }
  std::string written;
  EXPECT_FALSE(write_moment(253'402'300'800, 0, written)) << "the year 10000";
  EXPECT_FALSE(write_date(-719'529, written)) << "the year -1";
}

TEST(Times, OfDay) {
  std::int64_t micros = 0;
  ASSERT_TRUE(read_time("23:59:59.9999999", micros));
  EXPECT_EQ(micros, 86'399'999'999);
  EXPECT_FALSE(read_time("12:00Z", micros));
  std::string written;
  write_time(86'399'000'500, 6, written);
  EXPECT_EQ(written, "23:59:59.000500");
}

}  // namespace
}  // namespace millrace
