#include "formats/numbers_text.h"

#include <cstdint>
#include <cstring>

namespace millrace::formats {

namespace {

/// Puts digits before `end`, with a point before the last `scale`; gives where they begin.
template <class Unsigned>
char* put_digits(Unsigned rest, int scale, char* end) {
  for (int i = 0; rest != 0 || i <= scale; ++i) {
    if (i == scale && scale > 0) {
      *--end = '.';
    }
    *--end = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  return end;
}

}  // namespace

void write_digits(Int128 value, int scale, std::string& to) {
  std::array<char, 48> digits{};
  char* const end = digits.data() + digits.size();
  const auto size =
      value < 0 ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  // Most fit in 64 bits, whose division is no call.
  const char* const begin = (size >> 64U) == 0
                                ? put_digits(static_cast<std::uint64_t>(size), scale, end)
                                : put_digits(size, scale, end);
  to += value < 0 ? "-" : "";
  to.append(begin, static_cast<std::size_t>(end - begin));
}

Int128 wide_at(const ColumnView& column, std::size_t row) {
  Int128 value = 0;
  std::memcpy(&value, column.values<char>() + row * sizeof(value), sizeof(value));
  return value;
}

void write_decimal(const Type& type, const ColumnView& column, std::size_t row, std::string& to) {
  const Int128 value = type.precision <= 4    ? column.values<std::int16_t>()[row]
                       : type.precision <= 9  ? column.values<std::int32_t>()[row]
                       : type.precision <= 18 ? column.values<std::int64_t>()[row]
                                              : wide_at(column, row);
  write_digits(value, type.scale, to);
}

}  // namespace millrace::formats
