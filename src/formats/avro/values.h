// Single values of the wire as the values of columns. For decoder.cc.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "core/chunk.h"
#include "core/times.h"
#include "core/uuid.h"
#include "formats/avro/wire.h"

namespace millrace::avro {

inline constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

/// Times `factor`, or divided by -`factor` and rounded down; nullopt: out of range.
inline std::optional<std::int64_t> to_micros(std::int64_t value, std::int64_t factor) noexcept {
  if (factor < 0) {
    const std::int64_t divisor = -factor;
    value = value / divisor - (value % divisor < 0 ? 1 : 0);
  } else if (__builtin_mul_overflow(value, factor, &value)) {
    return std::nullopt;
  }
  return value >= kMicrosMin && value <= kMicrosMax ? std::optional(value) : std::nullopt;
}

inline std::optional<std::int64_t> to_nanos(std::int64_t value, std::int64_t factor) noexcept {
  if (__builtin_mul_overflow(value, factor, &value) || value <= -kMicrosMax || value > kMicrosMax) {
    return std::nullopt;
  }
  return value;
}

/// Stores a decimal of at most `digits` in a column of their width; false: it has more.
bool store_decimal(ColumnWriter& to, std::size_t row, Wide value, int digits, int shift) noexcept;
/// A number in two's complement, the highest byte first; nullopt: none, or of more than 128 bits.
std::optional<Wide> big_endian(std::string_view bytes) noexcept;
/// Three unsigned little-endian words: months, days and milliseconds; nullopt: beyond an
/// INTERVAL's.
std::optional<Interval> interval_of(std::string_view bytes) noexcept;

}  // namespace millrace::avro
