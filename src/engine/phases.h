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
