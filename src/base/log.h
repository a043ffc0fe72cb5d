// Log lines on stderr: "12:03:04.123 INFO  pipeline=orders batch 12 committed". The one thing of
// which a process has one, since its standard error is one, too.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// What a line asks of its reader: error, somebody has to act; warn, somebody should look;
/// info, what happened; debug, why.
enum class LogLevel : std::uint8_t { debug, info, warn, error, off };

/// The level of a word ("info"), for --log-level.
[[nodiscard]] std::optional<LogLevel> log_level(std::string_view word) noexcept;
/// Lines below this are not written. At first: info.
void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;
/// Takes each line, with its line end, instead of stderr; an empty function gives it back. For a
/// progress display that has to move out of the way, and for tests.
void set_log_writer(std::function<void(std::string_view line)> writer);
/// Writes a line. Control characters are escaped and further lines indented, so that data cannot
/// forge a line.
void write_log(LogLevel level, std::string_view text);

/// Writes lines that begin with fields: Log().with("pipeline", "orders"). A value; copy it freely.
class Log {
 public:
  /// The same with one more field.
  [[nodiscard]] Log with(std::string_view name, std::string_view value) const;

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::debug, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::info, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::warn, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::error, format, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void write(LogLevel level, fmt::format_string<Args...> format, Args&&... args) const {
    if (log_enabled(level)) {
      write_log(level, fields_ + fmt::format(format, std::forward<Args>(args)...));
    }
  }

  std::string fields_;  ///< "pipeline=orders ", with the space
};

}  // namespace millrace
