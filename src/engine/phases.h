// How long the steps of a batch take.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace millrace {

inline std::int64_t us_between(std::chrono::steady_clock::time_point from,
                               std::chrono::steady_clock::time_point to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

/// When something was worked on in a batch: microseconds since the batch began, and for how long.
struct Span {
  std::int64_t start_us = 0;
  std::int64_t us = 0;

  [[nodiscard]] std::int64_t end_us() const noexcept { return start_us + us; }
};

/// Measures a span from its making to its end.
class SpanTimer {
  using Steady = std::chrono::steady_clock;

 public:
  SpanTimer(Span& to, Steady::time_point began) : to_(to), from_(Steady::now()) {
    to.start_us = us_between(began, from_);
  }
  SpanTimer(const SpanTimer&) = delete;
  SpanTimer& operator=(const SpanTimer&) = delete;
  ~SpanTimer() { to_.us = us_between(from_, Steady::now()); }

 private:
  Span& to_;
  Steady::time_point from_;
};

/// Measures the phases of a batch one after the other.
class Phases {
  using Steady = std::chrono::steady_clock;

 public:
  /// Microseconds since the last call, or since the start.
  std::int64_t lap() {
    const auto now = Steady::now();
    return us_between(std::exchange(last_, now), now);
  }
  [[nodiscard]] std::int64_t total() const { return us_between(start_, Steady::now()); }
  [[nodiscard]] Steady::time_point start() const { return start_; }

 private:
  Steady::time_point start_ = Steady::now();
  Steady::time_point last_ = start_;
};

}  // namespace millrace
