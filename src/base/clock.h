// Time as an argument: whoever asks for it gets a Clock, so that tests can say what time it is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace millrace {

/// Gives the time of day.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since 1970-01-01 UTC.
  [[nodiscard]] virtual std::int64_t now_us() const = 0;
};

/// The time of this machine.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_us() const override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  }
};

/// A clock that stands still until it is told otherwise. Any thread may do so.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t now_us = 0) : now_us_(now_us) {}
  [[nodiscard]] std::int64_t now_us() const override { return now_us_.load(); }
  void set(std::int64_t now_us) { now_us_.store(now_us); }
  void advance(std::chrono::microseconds by) { now_us_.fetch_add(by.count()); }

 private:
  std::atomic<std::int64_t> now_us_;
};

/// The clock of a run: the machine's. In builds with fault points, MILLRACE_CLOCK=<microseconds
/// since 1970> makes it stand still there; batches are still a microsecond apart.
[[nodiscard]] std::unique_ptr<Clock> make_clock();

}  // namespace millrace
