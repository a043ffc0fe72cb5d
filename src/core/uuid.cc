#include "core/uuid.h"

#include "base/strings.h"

namespace millrace {
namespace {

constexpr auto kHighestBit = UInt128{1} << 127U;
constexpr std::size_t kDigits = 32;
constexpr std::size_t kTextSize = kDigits + 4;

bool is_place_of_hyphen(std::size_t i) noexcept { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

Int128 uuid_of(std::string_view bytes) noexcept {
  UInt128 bits = 0;
  for (const char c : bytes.substr(0, sizeof(bits))) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
  }
  return static_cast<Int128>(bits ^ kHighestBit);
}

std::optional<Int128> parse_uuid(std::string_view text, UuidHyphens hyphens) noexcept {
  const bool has_hyphens = text.size() == kTextSize;
  if (!has_hyphens && (text.size() != kDigits || hyphens == UuidHyphens::required)) {
    return std::nullopt;
  }
  UInt128 bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (has_hyphens && is_place_of_hyphen(i)) {
      if (text[i] != '-') {
        return std::nullopt;
      }
      continue;
    }
    const int digit = hex_digit(text[i]);
    if (digit < 0) {
      return std::nullopt;
    }
    bits = (bits << 4U) | static_cast<unsigned>(digit);
  }
  return static_cast<Int128>(bits ^ kHighestBit);
}

std::string uuid_text(Int128 uuid) {
  constexpr std::string_view kHex = "0123456789abcdef";
  auto bits = static_cast<UInt128>(uuid) ^ kHighestBit;
  std::string text(kTextSize, '-');
  for (std::size_t i = text.size(); i-- > 0;) {
    if (!is_place_of_hyphen(i)) {
      text[i] = kHex[static_cast<std::size_t>(bits & 0xFU)];
      bits >>= 4U;
    }
  }
  return text;
}

}  // namespace millrace
