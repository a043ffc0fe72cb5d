// Random numbers that depend on a row's number alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace {

/// Random numbers of one row: SplitMix64 (Steele, Lea, Flood 2014) started at the row's number, so
/// that rows can be made in any order.
class RowRandom {
 public:
  RowRandom(std::uint64_t seed, std::uint64_t row)
      : state_(seed * 0xD1342543DE82EF95ULL + row * 0x9E3779B97F4A7C15ULL) {
    next();
  }
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    auto z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  template <class T, std::size_t N>
  const T& one_of(const std::array<T, N>& list) {
    return list[below(N)];
  }
  /// In (0, 1].
  double share() { return static_cast<double>((next() >> 11U) + 1) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace millrace
