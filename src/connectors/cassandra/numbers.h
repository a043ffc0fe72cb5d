// Numbers of any size in CQL's bytes (native_protocol_v5.spec, sections 3 and 5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/int128.h"

namespace millrace::cassandra {

/// Appends the fewest bytes of two's complement that hold a number, the highest first.
void put_varint(Int128 value, std::string& to);
/// The opposite; nullopt: it has more than 128 bits, or none.
[[nodiscard]] std::optional<Int128> read_varint(std::string_view bytes);
/// The decimal digits of a number of any size, with a sign. Takes the square of its size.
[[nodiscard]] std::string digits_of(std::string_view bytes);
/// Digits with a point before the last `scale` ones, with zeros where there are too few; zeros
/// behind them if it is less than 0.
[[nodiscard]] std::string with_point(std::string digits, std::int32_t scale);

/// Appends a [vint]: small numbers of either sign take few bytes.
void put_vint(std::int64_t value, std::string& to);
/// Takes one from the front; nullopt: its bytes are not all there.
[[nodiscard]] std::optional<std::int64_t> read_vint(std::string_view& from);

}  // namespace millrace::cassandra
