// Random numbers of one event.
#pragma once

#include <cstdint>

namespace millrace::nexmark {

/// SplitMix64 (Steele, Lea, Flood 2014), begun at a state mixed of the seed and the event's number:
/// events can be made in any order, and those that follow each other have nothing in common.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t event) : state_(mixed(mixed(seed + kStep) ^ event)) {}

  std::uint64_t next() {
    state_ += kStep;
    return mixed(state_);
  }
  /// In [0, bound); the bound is less than 2^32.
  std::uint64_t below(std::uint64_t bound) { return ((next() >> 32U) * bound) >> 32U; }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;

  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

  std::uint64_t state_;
};

}  // namespace millrace::nexmark
