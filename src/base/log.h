// Log lines on stderr: "12:03:04.123 INFO  pipeline=orders batch 12 committed", or JSON. The one
// thing of which a process has one, since its standard error is one, too.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// What a line asks of its reader: error, somebody has to act; warn, somebody should look;
/// info, what happened; debug, why.
enum class LogLevel : std::uint8_t { debug, info, warn, error, off };
/// text: for people; json: an object a line, with `time`, `level`, the fields, and `message`.
enum class LogFormat : std::uint8_t { text, json };

/// What a line is about, such as pipeline=orders.
struct LogField {
  std::string name;
  std::string value;
};
using LogFields = std::vector<LogField>;

/// The word of a level ("info"), as in JSON, and the level of a word, for --log-level.
[[nodiscard]] std::string_view log_level_word(LogLevel level) noexcept;
[[nodiscard]] std::optional<LogLevel> log_level(std::string_view word) noexcept;
/// Lines below this are not written. At first: info.
void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;
/// At first: text.
void set_log_format(LogFormat format);
[[nodiscard]] LogFormat log_format() noexcept;
/// Takes each line, with its line end, instead of stderr; an empty function gives it back. For a
/// progress display that has to move out of the way, and for tests.
void set_log_writer(std::function<void(std::string_view line)> writer);
/// Writes a line. Waits a moment for a reader who does not read, then loses lines, and says how
/// many. Nothing in it can forge a line, or be no text: see log_line.h. Thread-safe.
void write_log(LogLevel level, const LogFields& fields, std::string_view text);

/// A line, for those who keep a copy.
struct LogLine {
  LogLevel level = LogLevel::info;
  std::string_view pipeline;  ///< the value of the field of this name; empty: it has none
  std::string_view text;      ///< without the fields
};
/// As long as it lives, `call` gets each line, also those below the level from warn on. Called by
/// the threads that log; must not log itself, nor wait.
using LogTap = std::shared_ptr<void>;
[[nodiscard]] LogTap tap_log(std::function<void(const LogLine&)> call);

/// Names what all lines are about that this thread begins while the scope lives: a Log that is made
/// by it, or copied from such a one, has the field on whatever thread it writes.
class LogScope {
 public:
  LogScope(std::string name, std::string value);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  LogFields before_;
};

/// Writes lines that begin with fields: Log().with("pipeline", "orders"). A value; copy it freely.
class Log {
 public:
  /// With the fields of the thread's scopes.
  Log();
  /// The same with one more field, or with another value of one.
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
      write_log(level, fields_, fmt::format(format, std::forward<Args>(args)...));
    }
  }

  LogFields fields_;
};

}  // namespace millrace
