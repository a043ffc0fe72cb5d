// How long to wait before what has failed is tried again.
#pragma once

#include <chrono>

namespace millrace {

/// Pauses that double with each failure, up to a longest one, and are short again after an attempt
/// that has gone well for a while. Without that while, what fails after each first batch would be
/// tried again every second for ever.
class Backoff {
 public:
  struct Limits {
    std::chrono::milliseconds first{1'000};
    std::chrono::milliseconds longest{60'000};
    std::chrono::milliseconds well{60'000};
  };
  Backoff() = default;
  explicit Backoff(Limits limits) : limits_(limits) {}

  /// After a failure. `went_well`: from the attempt's beginning until it failed; 0: it has done
  /// nothing that counts.
  [[nodiscard]] std::chrono::milliseconds pause_after(std::chrono::milliseconds went_well);

 private:
  Limits limits_;
  int failures_ = 0;  ///< one soon after the other
};

}  // namespace millrace
