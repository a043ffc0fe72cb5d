#include "core/uuid.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr auto kHighestBit = static_cast<Int128>(UInt128{1} << 127U);

TEST(Uuid, TextsAndBytes) {
  const std::string text = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
  const std::string_view bytes = "\xF8\x1D\x4F\xAE\x7D\xEC\x11\xD0\xA7\x65\x00\xA0\xC9\x1E\x6B\xF6";
  const auto uuid = parse_uuid(text);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid_text(*uuid), text);
  EXPECT_TRUE(uuid_of({bytes.data(), 16}) == *uuid);
  EXPECT_TRUE(parse_uuid("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6") == uuid);
}

TEST(Uuid, AreInTheOrderOfTheirTexts) {
  const auto least = parse_uuid("00000000-0000-0000-0000-000000000000");
  const auto most = parse_uuid("ffffffff-ffff-ffff-ffff-ffffffffffff");
  EXPECT_TRUE(*least == kHighestBit);
  EXPECT_TRUE(*most == ~kHighestBit);
  EXPECT_TRUE(*least < *parse_uuid("7fffffff-ffff-ffff-ffff-ffffffffffff"));
  EXPECT_TRUE(*parse_uuid("7fffffff-ffff-ffff-ffff-ffffffffffff") <
              *parse_uuid("80000000-0000-0000-0000-000000000000"));
  EXPECT_EQ(uuid_text(*least), "00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(uuid_text(*most), "ffffffff-ffff-ffff-ffff-ffffffffffff");
}

TEST(Uuid, HyphensMayBeMissingWhereThatIsSaid) {
  constexpr std::string_view kBare = "f81d4fae7dec11d0a76500a0c91e6bf6";
  EXPECT_FALSE(parse_uuid(kBare));
  EXPECT_TRUE(parse_uuid(kBare, UuidHyphens::optional) ==
              parse_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
}

TEST(Uuid, WhatIsNone) {
  for (const char* wrong :
       {"", "f81d4fae", "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6a", "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
        "f81d4fae07dec-11d0-a765-00a0c91e6bf6", "f81d4fa-e7dec-11d0-a765-00a0c91e6bf6",
        "{81d4fae-7dec-11d0-a765-00a0c91e6bf}", "f81d4fae-7dec-11d0-a76500a0c91e6bf6",
        "g81d4fae7dec11d0a76500a0c91e6bf6"}) {
    EXPECT_FALSE(parse_uuid(wrong, UuidHyphens::optional)) << wrong;
  }
}

TEST(Int128, PowersOfTen) {
  EXPECT_TRUE(power_of_ten(0) == 1);
  EXPECT_TRUE(power_of_ten(18) == 1'000'000'000'000'000'000);
  EXPECT_TRUE(power_of_ten(38) / power_of_ten(20) == power_of_ten(18));
  EXPECT_TRUE(power_of_ten(38) % power_of_ten(37) == 0);
}

}  // namespace
}  // namespace millrace
