#include "formats/avro/values.h"

#include <array>

namespace millrace::avro {

namespace {

constexpr std::array<Wide, 39> powers_of_ten() {
  std::array<Wide, 39> powers{};
  for (std::size_t i = 0; i < powers.size(); i++) {
    powers[i] = power_of_ten(static_cast<int>(i));
  }
  return powers;
}

constexpr auto kPowers = powers_of_ten();
constexpr Wide kHighestBit = static_cast<Wide>(static_cast<UnsignedWide>(1) << 127U);

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

bool store_decimal(ColumnWriter& to, std::size_t row, Wide value, int digits, int shift) noexcept {
  const Wide bound = kPowers[static_cast<std::size_t>(digits - shift)];
  if (value >= bound || value <= -bound) {
    return false;
  }
  value *= kPowers[static_cast<std::size_t>(shift)];
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

Wide uuid_of(std::string_view bytes) noexcept {
  UnsignedWide value = 0;
  for (const char c : bytes.substr(0, sizeof(value))) {
    value = (value << 8U) | static_cast<unsigned char>(c);
  }
  return static_cast<Wide>(value) ^ kHighestBit;
}

std::optional<Wide> parse_uuid(std::string_view text) noexcept {
  if (text.size() != 36) {
    return std::nullopt;
  }
  std::array<char, sizeof(Wide)> bytes{};
  std::size_t filled = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') {
        return std::nullopt;
      }
      continue;
    }
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    bytes[filled++] = static_cast<char>(high * 16 + low);
    i += 2;
  }
  return uuid_of({bytes.data(), bytes.size()});
}

std::string uuid_text(Wide uuid) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  auto bits = static_cast<UnsignedWide>(uuid ^ kHighestBit);
  std::string text(36, '-');
  for (std::size_t i = text.size(); i-- > 0;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      continue;
    }
    text[i] = kDigits[static_cast<std::size_t>(bits & 0xFU)];
    bits >>= 4U;
  }
  return text;
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
