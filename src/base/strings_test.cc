#include "base/strings.h"

#include <gtest/gtest.h>

#include <utility>

namespace millrace {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

TEST(Strings, CuttingAndComparing) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(to_lower("AbÄ"), "abÄ");
  EXPECT_TRUE(equal_ignoring_case("Orders", "oRDERS"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_EQ(split("a,,b", ',').size(), 3U);
  EXPECT_EQ(split("", ',').size(), 1U);
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(alternatives({"a", "b", "c"}), "`a`, `b` or `c`");
  EXPECT_TRUE(is_identifier("_a1"));
  EXPECT_FALSE(is_identifier("1a"));
  EXPECT_FALSE(is_identifier("a-b"));
  EXPECT_FALSE(is_identifier(""));
  EXPECT_EQ(in_quotes(R"(a "b" 'c')", '"'), R"("a ""b"" 'c'")");
  EXPECT_EQ(in_quotes("it's", '\''), "'it''s'");
  EXPECT_EQ(in_quotes("", '"'), R"("")");
}

TEST(Strings, InvalidUtf8IsFound) {
  EXPECT_EQ(find_invalid_utf8("plain, ä, €, 😀"), std::nullopt);
  EXPECT_EQ(find_invalid_utf8("ab\xFF"), 2U);
  EXPECT_EQ(find_invalid_utf8("a\xC3"), 1U);             // cut off
  EXPECT_EQ(find_invalid_utf8("\xC0\xAF"), 0U);          // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0U);      // a surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0U);  // beyond Unicode
  EXPECT_EQ(find_invalid_utf8("\x80"), 0U);
}

TEST(Strings, Base64) {
  const std::pair<std::string_view, std::string_view> pairs[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {"\xFB\xEF\xFF", "++//"}};
  for (const auto& [bytes, text] : pairs) {
    std::string written = "> ";
    encode_base64(bytes, written);
    EXPECT_EQ(written, "> " + std::string(text));
    std::string read = "what was there";
    EXPECT_TRUE(decode_base64(text, read)) << text;
    EXPECT_EQ(read, bytes);
  }
}

TEST(Strings, EachByteIsItselfAgainInBase64) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
    std::string text;
    encode_base64(bytes, text);
    std::string read;
    ASSERT_TRUE(decode_base64(text, read)) << text;
    ASSERT_EQ(read, bytes);
  }
}

TEST(Strings, WhatIsNoBase64) {
  std::string read;
  for (const char* wrong : {"Z", "Zg", "Zg=", "Zm8", "Zg===", "=", "==", "===", "====", "Zg==Zg==",
                            "Z===", "Zm=8", "Zm9v\n", "Zm 9v", "Zm9-", "Zm9_", "Zh==", "Zm9="}) {
    EXPECT_FALSE(decode_base64(wrong, read)) << wrong;
  }
  EXPECT_FALSE(decode_base64(std::string_view("Zm9\0", 4), read));
  // Without padding: the rest is as strict.
  EXPECT_TRUE(decode_base64("Zg", read, Base64Padding::optional));
  EXPECT_EQ(read, "f");
  EXPECT_TRUE(decode_base64("Zm8=", read, Base64Padding::optional));
  EXPECT_EQ(read, "fo");
  for (const char* wrong : {"Z", "Zg=", "Zh", "Zm9", "Zm9vZ", "===="}) {
    EXPECT_FALSE(decode_base64(wrong, read, Base64Padding::optional)) << wrong;
  }
}

TEST(Strings, AnExcerptIsText) {
  EXPECT_EQ(excerpt("all of it", 9), "all of it");
  EXPECT_EQ(excerpt("all of it", 3), "all...");
  EXPECT_EQ(excerpt("", 0), "");
  EXPECT_EQ(excerpt("€€", 5), "€...");
  EXPECT_EQ(excerpt("€€", 6), "€€");
  EXPECT_EQ(excerpt("a\xFF\xC3+\xE2\x82", 80), "a??+??");
  // Bytes that only continue a letter, without its beginning.
  EXPECT_EQ(excerpt("\x80\x80\x80\x80", 2), "...");
}

// Names that somebody else chose must not take minutes to compare.
TEST(Strings, NoSuggestionForWhatNobodyTypes) {
  EXPECT_EQ(suggest(std::string(500'000, 'x'), {std::string(500'000, 'y')}), std::nullopt);
  EXPECT_EQ(suggest("short", {std::string(5'000'000, 's')}), std::nullopt);
  EXPECT_EQ(suggest("short", {"shortest of all words"}), "shortest of all words");
}

TEST(Strings, Suggestions) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("form", "from"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  const std::vector<std::string> options = {"topic", "brokers", "poll_timeout", "format", "mode"};
  EXPECT_EQ(suggest("topics", options), "topic");
  EXPECT_EQ(suggest("Topic", options), "topic");
  EXPECT_EQ(suggest("poll", options), "poll_timeout");
  EXPECT_EQ(suggest("mdoe", options), "mode");
  EXPECT_EQ(suggest("compression", options), std::nullopt);
  EXPECT_EQ(suggest("x", options), std::nullopt);
  EXPECT_EQ(did_you_mean("x", {"a_long_one"}), "known is a_long_one");
  EXPECT_EQ(did_you_mean("x", {}), "");
  const std::vector<std::string> many(20, "word");
  EXPECT_TRUE(did_you_mean("compression", many).ends_with("word and 8 more"));
}

TEST(Strings, Durations) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration(" 1d "), 24h);
  for (const char* wrong : {"", "10", "s", "10 s", "10S", "30m1h", "1s1s", "-1s", "0.1ms", "1..5s",
                            "1e3s", "99999999999999d"}) {
    EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
  }
  for (const milliseconds duration : {0ms, 1ms, 1500ms, 90'000ms, 3'600'000ms, 90'061'001ms}) {
    EXPECT_EQ(parse_duration(duration_text(duration)), duration) << duration_text(duration);
  }
  EXPECT_EQ(duration_text(90s), "1m30s");
  EXPECT_EQ(duration_text(0s), "0s");
}

TEST(Strings, Bytes) {
  EXPECT_EQ(parse_bytes("64MB"), 64'000'000);
  EXPECT_EQ(parse_bytes("64MiB"), 64 << 20);
  EXPECT_EQ(parse_bytes("1.5 gb"), 1'500'000'000);
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("10B"), 10);
  for (const char* wrong : {"", "MB", "1M", "-1MB", "1.5B", "1 XB", "99999999TB", "1MB2"}) {
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(bytes_text(64 << 20), "64MiB");
  EXPECT_EQ(bytes_text(2'000'000'000), "2GB");
  EXPECT_EQ(bytes_text(4097), "4097");
  EXPECT_EQ(bytes_text(0), "0");
}

TEST(Strings, Numbers) {
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer("+12"), 12);
  EXPECT_EQ(parse_integer("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_integer("1.0"), std::nullopt);
  EXPECT_EQ(parse_integer("+-1"), std::nullopt);
  EXPECT_EQ(parse_integer(""), std::nullopt);
  EXPECT_EQ(parse_number("1e3"), 1000.0);
  EXPECT_EQ(parse_number("inf"), std::nullopt);
  EXPECT_EQ(parse_number("1x"), std::nullopt);
}

TEST(Strings, ForPeople) {
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(-123456), "-123,456");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1, "row"), "1 row");
  EXPECT_EQ(human_count(2000, "row"), "2,000 rows");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1'234'567), "1.2 MB");
  EXPECT_EQ(human_bytes(999'999), "1.0 MB");
  EXPECT_EQ(human_bytes(345'000'000'000), "345 GB");
  EXPECT_EQ(human_duration(86us), "86 us");
  EXPECT_EQ(human_duration(1'200us), "1.2 ms");
  EXPECT_EQ(human_duration(999'700us), "1.0 s");
  EXPECT_EQ(human_duration(245s), "4m 05s");
  EXPECT_EQ(human_duration(7'380s), "2h 03m");
  EXPECT_EQ(human_rate(870.4), "870");
  EXPECT_EQ(human_rate(12'345), "12.3 k");
  EXPECT_EQ(human_rate(4.1e6), "4.1 M");
}

}  // namespace
}  // namespace millrace
