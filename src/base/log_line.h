// How a log line looks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"

namespace millrace {

struct LogRecord {
  LogLevel level = LogLevel::info;
  std::int64_t time_us = 0;  ///< since 1970-01-01 UTC
  const LogFields& fields;
  std::string_view text;  ///< any bytes
};

/// How text lines look: as their reader wants them.
struct TextStyle {
  enum class Time : std::uint8_t {
    of_day,  ///< 12:03:04.123, of this place: somebody looks on
    full,    ///< 2026-01-02T12:03:04.123Z
    none,    ///< the reader has a clock: journald
  };
  Time time = Time::full;
  bool colour = false;
  /// Each line begins with "<6>", as sd-daemon(3) says.
  bool priority = false;
};

/// A line with its line end. What is no UTF-8, and control characters, become \xNN; further lines
/// of the text are indented, so that data cannot forge a line.
[[nodiscard]] std::string text_line(const LogRecord& event, const TextStyle& style);
/// One JSON object (RFC 8259) and a line end. What is no UTF-8 becomes \xNN, of the text.
[[nodiscard]] std::string json_line(const LogRecord& event);

}  // namespace millrace
