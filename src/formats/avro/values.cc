#include "formats/avro/values.h"

#include <array>

namespace millrace::avro {

bool store_decimal(ColumnWriter& to, std::size_t row, Wide value, int digits, int shift) noexcept {
  const Wide bound = power_of_ten(digits - shift);
  if (value >= bound || value <= -bound) {
    return false;
  }
  value *= power_of_ten(shift);
  if (digits <= 4) {
    to.values<std::int16_t>()[row] = static_cast<std::int16_t>(value);
  } else if (digits <= 9) {
    to.values<std::int32_t>()[row] = static_cast<std::int32_t>(value);
  } else if (digits <= 18) {
    to.values<std::int64_t>()[row] = static_cast<std::int64_t>(value);
  } else {
    store_wide(to.values<char>(), row, value);
  }
  return true;
}

std::optional<Wide> big_endian(std::string_view bytes) noexcept {
  if (bytes.empty()) {
    return std::nullopt;
  }
  const bool negative = static_cast<unsigned char>(bytes.front()) >= 0x80;
  const char filler = negative ? '\xFF' : '\0';
  while (bytes.size() > sizeof(Wide)) {
    const bool same_sign = (static_cast<unsigned char>(bytes[1]) >= 0x80) == negative;
    if (bytes.front() != filler || !same_sign) {
      return std::nullopt;
    }
    bytes.remove_prefix(1);
  }
  UnsignedWide value = negative ? ~static_cast<UnsignedWide>(0) : 0;
  for (const char c : bytes) {
    value = (value << 8U) | static_cast<unsigned char>(c);
  }
  return static_cast<Wide>(value);
}

std::optional<Interval> interval_of(std::string_view bytes) noexcept {
  std::array<std::uint32_t, 3> words{};
  std::memcpy(words.data(), bytes.data(), sizeof(words));
  constexpr auto kMax = static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max());
  if (words[0] > kMax || words[1] > kMax) {
    return std::nullopt;
  }
  return Interval{.months = static_cast<std::int32_t>(words[0]),
                  .days = static_cast<std::int32_t>(words[1]),
                  .micros = static_cast<std::int64_t>(words[2]) * 1000};
}

}  // namespace millrace::avro
