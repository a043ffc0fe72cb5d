// Integers of 128 bits: what HUGEINT, UUID and wide DECIMALs are kept in.
#pragma once

#include <array>
#include <cstddef>

namespace millrace {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

inline constexpr int kMaxPowerOfTen = 38;  ///< the largest in 128 bits

inline constexpr auto kPowersOfTen = [] {
  std::array<Int128, kMaxPowerOfTen + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}();

/// 10^exponent, for exponents from 0 to 38.
[[nodiscard]] constexpr Int128 power_of_ten(int exponent) noexcept {
  return kPowersOfTen[static_cast<std::size_t>(exponent)];
}

}  // namespace millrace
