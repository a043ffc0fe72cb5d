#include "formats/json/numbers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

namespace millrace::json {
namespace {

// The same bits as the C library, for short numbers that take the fast path and for long ones.
TEST(JsonNumberTest, FloatsAsTheCLibraryReadsThem) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const auto bits = random();
    std::string text;
    switch (i % 4) {
      case 0:
        text = fmt::format("{}.{}", static_cast<std::int64_t>(bits) >> (bits % 60), bits % 1'000);
        break;
      case 1:
        text = fmt::format("{}e{}", bits >> (bits % 64), static_cast<int>(bits % 660) - 340);
        break;
      case 2:
        text = fmt::format("0.{:0{}}{}", 0, 1 + bits % 30, bits >> (bits % 50));
        break;
      default:
        if (!std::isfinite(std::bit_cast<double>(bits))) {
          continue;
        }
        text = fmt::format("{}", std::bit_cast<double>(bits));
        break;
    }
    ASSERT_TRUE(is_number(text)) << text;
    const double expected = std::strtod(text.c_str(), nullptr);
    double value = 0;
    const Fault fault = read_float(text, value);
    ASSERT_EQ(fault == Fault::range, std::isinf(expected)) << text;
    if (fault == Fault::none) {
      ASSERT_EQ(std::bit_cast<std::uint64_t>(value), std::bit_cast<std::uint64_t>(expected))
          << text;
    }
    const float expected_float = std::strtof(text.c_str(), nullptr);
    float narrow = 0;
    ASSERT_EQ(read_float(text, narrow) == Fault::range, std::isinf(expected_float)) << text;
    if (!std::isinf(expected_float)) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(narrow), std::bit_cast<std::uint32_t>(expected_float))
          << text;
    }
  }
}

// Against arithmetic: a number of 18 digits whose point is moved.
TEST(JsonNumberTest, ScalesAreExact) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 100'000; ++i) {
    const auto value =
        static_cast<std::int64_t>(random() % 1'000'000'000'000'000'000U) * (i % 2 == 0 ? 1 : -1);
    const int behind = static_cast<int>(random() % 19);
    const int scale = static_cast<int>(random() % 19);
    const std::string text =
        i % 3 == 0 ? fmt::format("{}e-{}", value, behind)
                   : fmt::format("{}{:0{}}E-{}", value, 0, i % 20 + 1, behind + i % 20 + 1);
    Int128 expected = value;
    bool exact = true;
    Int128 down = value;
    if (scale >= behind) {
      expected *= static_cast<Int128>(power_of_ten(scale - behind));
      down = expected;
    } else {
      const auto by = static_cast<Int128>(power_of_ten(behind - scale));
      const Int128 rest = expected % by;
      exact = rest == 0;
      expected = expected / by + (rest * 2 >= by ? 1 : rest * 2 <= -by ? -1 : 0);
      down = value / by - (rest < 0 ? 1 : 0);
    }
    Int128 read = 0;
    ASSERT_EQ(read_scaled(text, scale, Rounding::nearest, read), Fault::none) << text;
    ASSERT_TRUE(read == expected) << text << " " << scale;
    ASSERT_EQ(read_scaled(text, scale, Rounding::down, read), Fault::none) << text;
    ASSERT_TRUE(read == down) << text << " " << scale;
    ASSERT_EQ(read_scaled(text, scale, Rounding::none, read) == Fault::none, exact) << text;
  }
}

TEST(JsonNumberTest, AMillionDigitsAreReadToTheirEnd) {
  const std::string zeros(1'000'000, '0');
  Int128 value = 0;
  EXPECT_EQ(read_scaled("1." + zeros, 0, Rounding::none, value), Fault::none);
  EXPECT_TRUE(value == 1);
  EXPECT_EQ(read_scaled("1" + zeros + "e-1000000", 0, Rounding::none, value), Fault::none);
  EXPECT_TRUE(value == 1);
  EXPECT_EQ(read_scaled("0." + zeros + "1e1000001", 0, Rounding::none, value), Fault::none);
  EXPECT_TRUE(value == 1);
  EXPECT_EQ(read_scaled("1" + zeros, 0, Rounding::none, value), Fault::range);
  EXPECT_EQ(read_scaled("1." + zeros + "1", 0, Rounding::none, value), Fault::fraction);
  double real = 0;
  EXPECT_EQ(read_float("1." + zeros + "1", real), Fault::none);
  EXPECT_EQ(real, 1);
  EXPECT_EQ(read_float("1" + zeros, real), Fault::range);
  EXPECT_EQ(read_float("0." + zeros + "1", real), Fault::none);
  EXPECT_EQ(real, 0);
}

TEST(JsonNumberTest, WhatIsNone) {
  for (const auto* text :
       {"",          "-",   "+1",    "01",   "-01",   "00", ".5",          "1.", "1.e1",
        "1e",        "1e+", "1e1.5", "0x10", "1_000", "1 ", " 1",          "1,", "Infinity",
        "-Infinity", "NaN", "1e1e1", "--1",  "1.2.3", "1-", "\xef\xbc\x91"}) {
    Int128 value = 0;
    double real = 0;
    EXPECT_FALSE(is_number(text)) << text;
    EXPECT_EQ(read_scaled(text, 0, Rounding::nearest, value), Fault::form) << text;
    EXPECT_EQ(read_float(text, real), Fault::form) << text;
  }
}

}  // namespace
}  // namespace millrace::json
