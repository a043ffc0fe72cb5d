#include "base/log_line.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr std::int64_t kTime = 1'767'355'384'123'456;  // 2026-01-02T12:03:04.123456Z

std::string line_of(std::string_view text, const TextStyle& style) {
  const LogFields fields{{.name = "pipeline", .value = "orders"}};
  return text_line({LogLevel::warn, kTime, fields, text}, style);
}

TEST(LogLines, LooksAsItsReaderWants) {
  using Time = TextStyle::Time;
  EXPECT_EQ(line_of("slow", {}), "2026-01-02T12:03:04.123Z WARN  pipeline=orders slow\n");
  EXPECT_EQ(line_of("slow", {.time = Time::none, .priority = true}),
            "<4>WARN  pipeline=orders slow\n");
  EXPECT_EQ(line_of("slow", {.time = Time::none, .colour = true}),
            "\033[33mWARN \033[0m pipeline=orders slow\n");
  const auto at_a_terminal = line_of("slow", {.time = Time::of_day});
  EXPECT_EQ(at_a_terminal.substr(2, 1) + at_a_terminal.substr(5), ":" + at_a_terminal.substr(5));
  EXPECT_EQ(at_a_terminal.substr(12), " WARN  pipeline=orders slow\n");
}

// journald gives each line a priority of its own.
TEST(LogLines, EachLineOfATextHasThePriority) {
  EXPECT_EQ(line_of("a\nb", {.time = TextStyle::Time::none, .priority = true}),
            "<4>WARN  pipeline=orders a\n<4>    b\n");
}

// Samples of malformed messages are bytes of strangers.
TEST(LogLines, WhatIsNoTextIsEscaped) {
  const auto message_of = [](std::string_view text) {
    return text_line({LogLevel::info, kTime, {}, text}, {.time = TextStyle::Time::none});
  };
  EXPECT_EQ(message_of("a\xff\xc3|\xc3\xa4"), "INFO  a\\xff\\xc3|\xc3\xa4\n");
  EXPECT_EQ(message_of("\x1b[2J\x7f\ttab"), "INFO  \\x1b[2J\\x7f\ttab\n");
  EXPECT_EQ(message_of("\xc2\x9b\x32J"), "INFO  \\x9b2J\n");  // the same for some terminals
  EXPECT_EQ(message_of("ends with \xc2"), "INFO  ends with \\xc2\n");
}

TEST(LogLines, FieldsForgeNoLine) {
  const LogFields fields{{.name = "source", .value = "a\nb"}};
  EXPECT_EQ(text_line({LogLevel::info, kTime, fields, "c"}, {.time = TextStyle::Time::none}),
            "INFO  source=a\\x0ab c\n");
}

TEST(LogLines, JsonIsOneLine) {
  const LogFields fields{{.name = "pipeline", .value = "or\xff"}};
  EXPECT_EQ(
      json_line({LogLevel::error, kTime, fields, "a\n\xfe"}),
      R"({"time":"2026-01-02T12:03:04.123Z","level":"error","pipeline":"or\\xff","message":"a\n\\xfe"})"
      "\n");
}

}  // namespace
}  // namespace millrace
