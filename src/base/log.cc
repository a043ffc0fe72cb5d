#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace millrace {
namespace {

/// Writes to stderr, or to whoever took its place.
class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void take(std::function<void(std::string_view)> writer) {
    const std::lock_guard lock(mutex_);
    writer_ = std::move(writer);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (writer_) {
      writer_({line.data(), line.size()});
    } else {
      std::fwrite(line.data(), 1, line.size(), stderr);
    }
  }
  void flush_() override { std::fflush(stderr); }

 private:
  std::function<void(std::string_view)> writer_;
};

/// "INFO ", coloured on a terminal: columns line up and the eye finds what matters.
class LevelWord final : public spdlog::custom_flag_formatter {
 public:
  explicit LevelWord(bool colour) : colour_(colour) {}
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& to) override {
    const auto [word, code] = word_of(message.level);
    if (colour_) {
      to.append(code);
      to.append(word);
      to.append(std::string_view("\033[0m"));
    } else {
      to.append(word);
    }
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelWord>(colour_);
  }

 private:
  static std::pair<std::string_view, std::string_view> word_of(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::debug:
        return {"DEBUG", "\033[2m"};
      case spdlog::level::warn:
        return {"WARN ", "\033[33m"};
      case spdlog::level::err:
        return {"ERROR", "\033[31m"};
      default:
        return {"INFO ", "\033[32m"};
    }
  }

  bool colour_;
};

spdlog::level::level_enum spdlog_level(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  std::unreachable();
}

struct Output {
  std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();  // spdlog's loggers share sinks
  spdlog::logger logger{"millrace", sink};

  Output() {
    // https://no-color.org: any value but the empty one switches colours off.
    const char* const no_colour = std::getenv("NO_COLOR");
    const bool colour =
        ::isatty(STDERR_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<LevelWord>('*', colour).set_pattern("%H:%M:%S.%e %* %v");
    sink->set_formatter(std::move(formatter));
    logger.set_level(spdlog::level::info);
    logger.flush_on(spdlog::level::debug);
  }
};

/// Never destroyed: threads that end late may still log.
Output& output() {
  static Output& the_output = *std::make_unique<Output>().release();
  return the_output;
}

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      // A message of several lines stays one, but can be read.
      result += "\n    ";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::optional<LogLevel> log_level(std::string_view word) noexcept {
  constexpr std::pair<std::string_view, LogLevel> kWords[] = {{"debug", LogLevel::debug},
                                                              {"info", LogLevel::info},
                                                              {"warn", LogLevel::warn},
                                                              {"error", LogLevel::error},
                                                              {"off", LogLevel::off}};
  for (const auto& [name, level] : kWords) {
    if (name == word) {
      return level;
    }
  }
  return std::nullopt;
}

void set_log_level(LogLevel level) { output().logger.set_level(spdlog_level(level)); }

bool log_enabled(LogLevel level) noexcept {
  return level != LogLevel::off && output().logger.should_log(spdlog_level(level));
}

void set_log_writer(std::function<void(std::string_view line)> writer) {
  output().sink->take(std::move(writer));
}

void write_log(LogLevel level, std::string_view text) {
  if (log_enabled(level)) {
    output().logger.log(spdlog_level(level), escaped(text));
  }
}

Log Log::with(std::string_view name, std::string_view value) const {
  Log result = *this;
  result.fields_ += fmt::format("{}={} ", name, value);
  return result;
}

}  // namespace millrace
