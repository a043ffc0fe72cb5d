#include "base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/line_output.h"
#include "base/log_line.h"

namespace millrace {
namespace {

constexpr std::array<std::string_view, 5> kLevels{"debug", "info", "warn", "error", "off"};
/// A batch waits no longer than this for who reads the log.
constexpr std::chrono::milliseconds kPatience{200};

/// Whether stderr is a stream of journald: systemd.exec(5), JOURNAL_STREAM.
bool is_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

TextStyle style_of_stderr() {
  if (is_journal()) {
    return {.time = TextStyle::Time::none, .priority = true};
  }
  if (::isatty(STDERR_FILENO) == 0) {
    return {};
  }
  // https://no-color.org: any value but the empty one switches colours off.
  const char* const no_colour = std::getenv("NO_COLOR");
  return {.time = TextStyle::Time::of_day, .colour = no_colour == nullptr || *no_colour == '\0'};
}

using Tap = std::function<void(const LogLine&)>;

/// Writes to stderr, or to whoever took its place.
class Output {
 public:
  std::atomic<LogLevel> level = LogLevel::info;
  std::atomic<LogFormat> format = LogFormat::text;
  std::atomic<bool> tapped = false;

  void take(std::function<void(std::string_view)> writer) {
    const std::lock_guard guard(lock_);
    writer_ = std::move(writer);
  }

  void write(LogLevel of, const LogFields& fields, std::string_view text) {
    const std::lock_guard guard(lock_);
    if (lost_ > 0 &&
        put(LogLevel::warn, {},
            fmt::format("{} lines of the log were lost, as nobody read them", lost_))) {
      lost_ = 0;
    }
    lost_ += put(of, fields, text) ? 0 : 1;
  }

  void add(const std::shared_ptr<Tap>& tap) {
    const std::lock_guard guard(taps_lock_);
    std::erase_if(taps_, [](const auto& each) { return each.expired(); });
    taps_.push_back(tap);
    tapped = true;
  }

  void tell(LogLevel of, const LogFields& fields, std::string_view text) {
    std::vector<std::shared_ptr<Tap>> now;  // what is called may take away its tap
    {
      const std::lock_guard guard(taps_lock_);
      now.reserve(taps_.size());
      for (const auto& each : taps_) {
        if (auto tap = each.lock()) {
          now.push_back(std::move(tap));
        }
      }
    }
    const auto pipeline = std::ranges::find(fields, "pipeline", &LogField::name);
    for (const auto& tap : now) {
      (*tap)({.level = of,
              .pipeline = pipeline == fields.end() ? std::string_view() : pipeline->value,
              .text = text});
    }
  }

 private:
  bool put(LogLevel of, const LogFields& fields, std::string_view text) {
    const LogRecord event{of, clock_.now_us(), fields, text};
    const auto line =
        format.load() == LogFormat::json ? json_line(event) : text_line(event, style_);
    if (writer_) {
      writer_(line);
      return true;
    }
    return stderr_.write(line);
  }

  std::mutex taps_lock_;
  std::vector<std::weak_ptr<Tap>> taps_;
  std::mutex lock_;  ///< guards what follows
  std::function<void(std::string_view)> writer_;
  LineOutput stderr_{STDERR_FILENO, kPatience};
  TextStyle style_ = style_of_stderr();
  SystemClock clock_;
  std::int64_t lost_ = 0;
};

/// Never destroyed: threads that end late may still log.
Output& output() {
  static Output& the_output = *std::make_unique<Output>().release();
  return the_output;
}

/// What this thread's lines are about.
LogFields& scopes() {
  static thread_local LogFields fields;
  return fields;
}

void set_field(LogFields& fields, std::string_view name, std::string_view value) {
  const auto found = std::ranges::find(fields, name, &LogField::name);
  if (found != fields.end()) {
    found->value = value;
  } else {
    fields.push_back({std::string(name), std::string(value)});
  }
}

}  // namespace

std::string_view log_level_word(LogLevel level) noexcept {
  return kLevels.at(static_cast<std::size_t>(level));
}

std::optional<LogLevel> log_level(std::string_view word) noexcept {
  const auto* const found = std::ranges::find(kLevels, word);
  return found == kLevels.end() ? std::nullopt
                                : std::optional(static_cast<LogLevel>(found - kLevels.begin()));
}

void set_log_level(LogLevel level) { output().level = level; }

bool log_enabled(LogLevel level) noexcept {
  return level != LogLevel::off &&
         (level >= output().level.load() || (level >= LogLevel::warn && output().tapped));
}

void set_log_format(LogFormat format) { output().format = format; }

LogFormat log_format() noexcept { return output().format.load(); }

void set_log_writer(std::function<void(std::string_view line)> writer) {
  output().take(std::move(writer));
}

void write_log(LogLevel level, const LogFields& fields, std::string_view text) {
  if (level == LogLevel::off) {
    return;
  }
  if (level >= output().level.load()) {
    output().write(level, fields, text);
  }
  if (output().tapped) {
    output().tell(level, fields, text);
  }
}

LogTap tap_log(std::function<void(const LogLine&)> call) {
  auto tap = std::make_shared<Tap>(std::move(call));
  output().add(tap);
  return tap;
}

LogScope::LogScope(std::string name, std::string value) : before_(scopes()) {
  auto& fields = scopes();
  std::erase_if(fields, [&](const auto& field) { return field.name == name; });
  fields.push_back({std::move(name), std::move(value)});
}

LogScope::~LogScope() { scopes() = std::move(before_); }

Log::Log() : fields_(scopes()) {}

Log Log::with(std::string_view name, std::string_view value) const {
  Log result = *this;
  set_field(result.fields_, name, value);
  return result;
}

}  // namespace millrace
