// Numbers of columns as text, for the formats that are texts.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "core/chunk.h"
#include "core/int128.h"
#include "core/type.h"

namespace millrace::formats {

/// Appends the shortest text that reads back as the same number.
template <class Number>
void write_number(Number value, std::string& to) {
  std::array<char, 32> text{};  // the longest is "-2.2250738585072014e-308"
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  to.append(text.data(), end);
}

/// Appends a number with a point before its last `scale` digits.
void write_digits(Int128 value, int scale, std::string& to);

/// A 128-bit value: DuckDB aligns them as it does 64.
[[nodiscard]] Int128 wide_at(const ColumnView& column, std::size_t row);

/// Appends a whole number; true.
template <class Integer>
bool write_integer(const ColumnView& column, std::size_t row, std::string& to) {
  write_number(
      static_cast<std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>>(
          column.values<Integer>()[row]),
      to);
  return true;
}

/// Appends a value of a whole number's type: i8 to i128, u8 to u64. False: it is of another type.
[[nodiscard]] inline bool write_whole(Type::Id id, const ColumnView& column, std::size_t row,
                                      std::string& to) {
  using Id = Type::Id;
  switch (id) {
    case Id::i8:
      return write_integer<std::int8_t>(column, row, to);
    case Id::i16:
      return write_integer<std::int16_t>(column, row, to);
    case Id::i32:
      return write_integer<std::int32_t>(column, row, to);
    case Id::i64:
      return write_integer<std::int64_t>(column, row, to);
    case Id::u8:
      return write_integer<std::uint8_t>(column, row, to);
    case Id::u16:
      return write_integer<std::uint16_t>(column, row, to);
    case Id::u32:
      return write_integer<std::uint32_t>(column, row, to);
    case Id::u64:
      return write_integer<std::uint64_t>(column, row, to);
    case Id::i128:
      write_digits(wide_at(column, row), 0, to);
      return true;
    default:
      return false;
  }
}

/// Appends a DECIMAL.
void write_decimal(const Type& type, const ColumnView& column, std::size_t row, std::string& to);

}  // namespace millrace::formats
