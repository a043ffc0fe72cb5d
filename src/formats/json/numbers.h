// JSON's numbers, read from their text without a loss.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "core/int128.h"

namespace millrace::json {

/// Why a text is no value of a type.
enum class Fault : std::uint8_t {
  none,
  form,      ///< it is something else
  range,     ///< too large or too small
  fraction,  ///< it has digits behind the point that the type has no room for
};

enum class Rounding : std::uint8_t {
  none,     ///< Fault::fraction instead
  nearest,  ///< halves away from zero, as DuckDB's CAST
  down,
};

/// Whether a text is a number as JSON writes them: -12, 0.5, 1e-3; not 01, +1, .5, 1., NaN.
[[nodiscard]] bool is_number(std::string_view text) noexcept;

/// A number times 10^scale.
[[nodiscard]] Fault read_scaled(std::string_view text, int scale, Rounding rounding,
                                Int128& to) noexcept;
/// The nearest number of the type. What is nearer to 0 than any but 0 is 0; what is larger than the
/// largest is Fault::range.
[[nodiscard]] Fault read_float(std::string_view text, double& to) noexcept;
[[nodiscard]] Fault read_float(std::string_view text, float& to) noexcept;

/// A number of up to 18 digits without point and exponent; false: another one, or none.
[[nodiscard]] inline bool read_short_integer(std::string_view text, std::int64_t& to) noexcept {
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative ? 1 : 0);
  if (text.empty() || text.size() > 18 || (text.front() == '0' && text.size() > 1)) {
    return false;
  }
  std::int64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) {
      return false;
    }
    value = value * 10 + (c - '0');
  }
  to = negative ? -value : value;
  return true;
}

}  // namespace millrace::json
