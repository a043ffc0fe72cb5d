#include "formats/json/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace millrace::json {
namespace {

static_assert(std::numeric_limits<Int128>::is_specialized);

constexpr std::int64_t kMaxExponent = 1'000'000'000'000;

/// A number taken apart: +-value * 10^exponent.
template <class Unsigned>
struct Parts {
  bool negative = false;
  Unsigned value = 0;
  std::int64_t exponent = 0;
  // Of the digits that `value` had no room for:
  bool cut = false;       // one of them is not 0
  char first_cut = '\0';  // '\0': there are none

  void add(char digit, bool behind_point) {
    constexpr Unsigned kRoom = (std::numeric_limits<Unsigned>::max() - 9) / 10;
    if (first_cut == '\0' && value <= kRoom) {
      value = value * 10 + static_cast<Unsigned>(digit - '0');
      exponent -= behind_point ? 1 : 0;
      return;
    }
    first_cut = first_cut == '\0' ? digit : first_cut;
    cut |= digit != '0';
    exponent += behind_point ? 0 : 1;
  }
};

/// Reads digits to their end; false: there are none.
template <class Unsigned>
bool read_digits(const char*& at, const char* end, bool behind_point, Parts<Unsigned>& to) {
  const char* const begin = at;
  for (; at != end && is_digit(*at); ++at) {
    to.add(*at, behind_point);
  }
  return at != begin;
}

/// Reads what follows the 'e' of an exponent.
bool read_exponent(const char*& at, const char* end, std::int64_t& to) {
  const bool negative = at != end && *at == '-';
  at += at != end && (*at == '-' || *at == '+') ? 1 : 0;
  const char* const begin = at;
  std::int64_t value = 0;
  for (; at != end && is_digit(*at); ++at) {
    value = std::min(kMaxExponent, value * 10 + (*at - '0'));
  }
  to = negative ? -value : value;
  return at != begin;
}

/// Takes a number apart; false: it is none.
template <class Unsigned>
bool take_apart(std::string_view text, Parts<Unsigned>& to) {
  const char* at = text.data();
  const char* const end = at + text.size();
  to.negative = at != end && *at == '-';
  at += to.negative ? 1 : 0;
  const char* const whole = at;
  if (!read_digits(at, end, false, to) || (*whole == '0' && at - whole > 1)) {
    return false;
  }
  if (at != end && *at == '.') {
    ++at;
    if (!read_digits(at, end, true, to)) {
      return false;
    }
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    std::int64_t exponent = 0;
    if (!read_exponent(at, end, exponent)) {
      return false;
    }
    to.exponent += exponent;
  }
  return at == end;
}

/// value * 10^exponent of a number whose digits were not all there or that has too many.
template <class Unsigned>
Fault scale_parts(const Parts<Unsigned>& parts, int scale, Rounding rounding, UInt128& to) {
  const std::int64_t exponent = parts.exponent + scale;
  bool rest = parts.cut;
  bool half = parts.first_cut >= '5';
  to = parts.value;
  if (to == 0) {
    return Fault::none;
  }
  if (exponent > 0) {
    if (rest || exponent > kMaxPowerOfTen ||
        __builtin_mul_overflow(to, static_cast<UInt128>(power_of_ten(static_cast<int>(exponent))),
                               &to)) {
      return Fault::range;
    }
  } else if (exponent < -kMaxPowerOfTen) {
    to = 0;
    rest = true;
    half = false;
  } else if (exponent < 0) {
    const auto by = static_cast<UInt128>(power_of_ten(static_cast<int>(-exponent)));
    const UInt128 remainder = to % by;
    to /= by;
    rest |= remainder != 0;
    half = remainder >= by / 2;
  }
  if (!rest) {
    return Fault::none;
  }
  if (rounding == Rounding::none) {
    return Fault::fraction;
  }
  to += (rounding == Rounding::nearest ? half : parts.negative) ? 1 : 0;
  return Fault::none;
}

template <class Unsigned>
Fault read_scaled_as(std::string_view text, int scale, Rounding rounding, Int128& to) {
  Parts<Unsigned> parts;
  if (!take_apart(text, parts)) {
    return Fault::form;
  }
  UInt128 size = 0;
  if (const Fault fault = scale_parts(parts, scale, rounding, size); fault != Fault::none) {
    return fault;
  }
  constexpr auto kLargest = static_cast<UInt128>(std::numeric_limits<Int128>::max());
  if (size > kLargest + (parts.negative ? 1 : 0)) {
    return Fault::range;
  }
  to = static_cast<Int128>(parts.negative ? UInt128{0} - size : size);
  return Fault::none;
}

/// The longest text whose digits fit into 64 bits for certain.
constexpr std::size_t kShortNumber = 19;

/// By one exact multiplication or division, where that is exact enough (Clinger's fast path).
template <class Float>
bool read_float_fast(std::string_view text, Float& to, Fault& fault) {
  constexpr bool kDouble = sizeof(Float) == sizeof(double);
  constexpr std::uint64_t kMaxValue = std::uint64_t{1} << (kDouble ? 53U : 24U);
  constexpr int kMaxExponent = kDouble ? 22 : 10;
  if (text.size() > kShortNumber) {
    return false;
  }
  Parts<std::uint64_t> parts;
  fault = take_apart(text, parts) ? Fault::none : Fault::form;
  if (fault != Fault::none) {
    return true;
  }
  if (parts.value > kMaxValue || parts.exponent < -kMaxExponent || parts.exponent > kMaxExponent) {
    return false;
  }
  const auto by = static_cast<Float>(
      power_of_ten(static_cast<int>(parts.exponent < 0 ? -parts.exponent : parts.exponent)));
  const auto value = static_cast<Float>(parts.value);
  const Float size = parts.exponent < 0 ? value / by : value * by;
  to = parts.negative ? -size : size;
  return true;
}

template <class Float>
Fault read_float_as(std::string_view text, Float& to) {
  Fault fault = Fault::none;
  if (read_float_fast(text, to, fault)) {
    return fault;
  }
  Parts<UInt128> parts;
  if (!take_apart(text, parts)) {
    return Fault::form;
  }
  Float value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range || std::isinf(value)) {
    // Too small is as good as 0, too large is not a number. All digits are at most 39 places.
    if (parts.value != 0 && parts.exponent > -kMaxPowerOfTen) {
      return Fault::range;
    }
    value = parts.negative ? -Float{0} : Float{0};
  }
  to = value;
  return Fault::none;
}

}  // namespace

bool is_number(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  at += at != end && *at == '-' ? 1 : 0;
  const char* const whole = at;
  while (at != end && is_digit(*at)) {
    ++at;
  }
  if (at == whole || (*whole == '0' && at - whole > 1)) {
    return false;
  }
  if (at == end) {
    return true;
  }
  Parts<std::uint64_t> parts;  // the rest is rare enough
  return take_apart(text, parts);
}

Fault read_scaled(std::string_view text, int scale, Rounding rounding, Int128& to) noexcept {
  return text.size() <= kShortNumber ? read_scaled_as<std::uint64_t>(text, scale, rounding, to)
                                     : read_scaled_as<UInt128>(text, scale, rounding, to);
}

Fault read_float(std::string_view text, double& to) noexcept { return read_float_as(text, to); }
Fault read_float(std::string_view text, float& to) noexcept { return read_float_as(text, to); }

}  // namespace millrace::json
