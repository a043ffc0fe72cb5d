// Sinks that try again by themselves, for who counts that.
#pragma once

#include <cstdint>

namespace millrace {

/// What such a Sink is, too.
class RetryingSink {
 public:
  virtual ~RetryingSink() = default;
  /// How often it has tried again since this was asked last. Thread-safe.
  [[nodiscard]] virtual std::int64_t take_retries() noexcept = 0;
};

}  // namespace millrace
