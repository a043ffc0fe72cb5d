#include "formats/csv/time_format.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/error.h"

namespace millrace::csv {
namespace {

/// A text read by one pattern, and written as ISO 8601 with nanoseconds; "" if it isn't read.
std::string read(const std::string& pattern, const std::string& text) {
  Moment moment;
  std::string iso;
  if (TimeFormat(pattern).read(text, moment)) {
    EXPECT_TRUE(TimeFormat("%Y-%m-%d %H:%M:%S.%n")
                    .write(moment.seconds * 1'000'000'000 + moment.nanos, 9, iso));
  }
  return iso;
}

TEST(TimeFormatTest, WordsAreRead) {
  EXPECT_EQ(read("%d.%m.%Y %H:%M", "29.02.2024 12:30"), "2024-02-29 12:30:00.000000000");
  EXPECT_EQ(read("%d.%m.%Y", "1.2.2024"), "2024-02-01 00:00:00.000000000");
  EXPECT_EQ(read("%m/%d/%y %I:%M %p", "2/29/24 12:05 am"), "2024-02-29 00:05:00.000000000");
  EXPECT_EQ(read("%y %p %I", "69 PM 1"), "1969-01-01 13:00:00.000000000");
  EXPECT_EQ(read("%a, %d %b %Y %X %z", "Thu, 29 feb 2024 12:00:00 +0200"),
            "2024-02-29 10:00:00.000000000");
  EXPECT_EQ(read("%A %B %d %Y", "Thursday May 2 2024"), "2024-05-02 00:00:00.000000000");
  EXPECT_EQ(read("%Y%m%d%H%M%S%g", "20240229123456789"), "2024-02-29 12:34:56.789000000");
  EXPECT_EQ(read("%c.%f%z", "2024-02-29 12:34:56.5-01:30"), "2024-02-29 14:04:56.500000000");
  EXPECT_EQ(read("%x %n", "2024-02-29 000000001"), "2024-02-29 00:00:00.000000001");
  EXPECT_EQ(read("%Y-%j", "2024-366"), "2024-12-31 00:00:00.000000000");
  EXPECT_EQ(read("100%% %Y%z", "100% 1999Z"), "1999-01-01 00:00:00.000000000");
  EXPECT_EQ(read("%H:%M", "12:30"), "1970-01-01 12:30:00.000000000");
}

TEST(TimeFormatTest, WhatDoesNotFitIsNotRead) {
  for (const auto& [pattern, text] :
       std::vector<std::pair<std::string, std::string>>{{"%d.%m.%Y", "30.02.2024"},
                                                        {"%d.%m.%Y", "1.13.2024"},
                                                        {"%d.%m.%Y", "0.1.2024"},
                                                        {"%d.%m.%Y", "1.1.2024 "},
                                                        {"%d.%m.%Y", "1.1."},
                                                        {"%d.%m.%Y", ""},
                                                        {"%Y-%j", "2023-366"},
                                                        {"%Y-%j", "2024-0"},
                                                        {"%H:%M", "24:00"},
                                                        {"%I %p", "13 PM"},
                                                        {"%I %p", "0 PM"},
                                                        {"%p", "XM"},
                                                        {"%M", "60"},
                                                        {"%S", "60"},
                                                        {"%b", "Foo"},
                                                        {"%B", "Jan"},
                                                        {"%z", "0200"},
                                                        {"%z", "+24"},
                                                        {"%z", "+0260"},
                                                        {"%z", ""},
                                                        {"%f", ""},
                                                        {"%f", "1234567"},
                                                        {"%Y", "12345"}}) {
    EXPECT_EQ(read(pattern, text), "") << pattern << " of " << text;
  }
}

TEST(TimeFormatTest, OtherWordsAreRefused) {
  for (const char* pattern : {"%", "%Q", "%-b", "%-%", "%-", "%Z", "%d.%"}) {
    EXPECT_THROW(TimeFormat{pattern}, Error) << pattern;
  }
}

TEST(TimeFormatTest, WordsAreWritten) {
  const auto written = [](const std::string& pattern, std::int64_t units, int digits) {
    std::string to;
    EXPECT_TRUE(TimeFormat(pattern).write(units, digits, to));
    return to;
  };
  constexpr std::int64_t kNoon = 1'709'208'000;  // 2024-02-29T12:00:00Z
  EXPECT_EQ(written("%a %A %b %B %d %-d %m %-m %y %Y %j %-j", kNoon, 0),
            "Thu Thursday Feb February 29 29 02 2 24 2024 060 60");
  EXPECT_EQ(written("%H %I %-I %p %M %S %-S %z%%", kNoon + 3'603, 0), "13 01 1 PM 00 03 3 +0000%");
  EXPECT_EQ(written("%I %p", 0, 0), "12 AM");
  EXPECT_EQ(written("%X.%g %f %n", 1'234, 3), "00:00:01.234 234000 234000000");
  EXPECT_EQ(written("%c.%f", -1, 6), "1969-12-31 23:59:59.999999");
  std::string to;
  EXPECT_FALSE(TimeFormat("%Y").write(253'402'300'800, 0, to));  // 10000-01-01
  EXPECT_EQ(to, "");
}

TEST(TimeFormatTest, WhatIsWrittenIsRead) {
  std::mt19937_64 random(3);
  for (const char* pattern :
       {"%c.%f", "%d %B %Y %I:%M:%S.%f %p", "%Y%j%H%M%S%f%z", "%A %-d/%-m/%Y %-H:%-M:%-S %n"}) {
    const TimeFormat format(pattern);
    for (int i = 0; i < 2'000; ++i) {
      const std::int64_t micros =
          static_cast<std::int64_t>(random() % 300'000'000'000'000'000) - 60'000'000'000'000'000;
      std::string text;
      ASSERT_TRUE(format.write(micros, 6, text));
      Moment moment;
      std::int64_t again = 0;
      ASSERT_TRUE(format.read(text, moment) && to_unit(moment, 6, again)) << text;
      ASSERT_EQ(again, micros) << text;
    }
  }
}

}  // namespace
}  // namespace millrace::csv
