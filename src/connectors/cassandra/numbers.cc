#include "connectors/cassandra/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

void put_varint(Int128 value, std::string& to) {
  std::size_t bytes = 16;
  while (bytes > 1) {
    const Int128 top = value >> (8 * (bytes - 1) - 1);  // of the bytes without the first, its sign
    if (top != 0 && top != -1) {
      break;
    }
    bytes--;
  }
  for (std::size_t i = bytes; i-- > 0;) {
    to += static_cast<char>(static_cast<unsigned char>((value >> (8 * i)) & 0xFF));
  }
}

void put_vint(std::int64_t value, std::string& to) {
  const auto bits =
      (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  const auto width = static_cast<std::size_t>(std::bit_width(bits | 1));
  const std::size_t bytes = width > 56 ? 9 : (width + 6) / 7;
  if (bytes == 9) {
    to += '\xFF';
    put(bits, to);
    return;
  }
  for (std::size_t i = bytes; i-- > 0;) {
    auto byte = static_cast<unsigned char>((bits >> (8 * i)) & 0xFF);
    if (i == bytes - 1) {
      byte |= static_cast<unsigned char>(~(0xFFU >> (bytes - 1)));
    }
    to += static_cast<char>(byte);
  }
}

std::optional<Int128> read_varint(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 16) {
    return std::nullopt;
  }
  UInt128 bits = (static_cast<unsigned char>(bytes[0]) & 0x80) != 0 ? ~UInt128{0} : 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
  }
  return static_cast<Int128>(bits);
}

std::string digits_of(std::string_view bytes) {
  const bool below = !bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80) != 0;
  std::vector<std::uint32_t> words;  // of the number without its sign, by 10^9, the lowest first
  words.reserve(bytes.size() / 3 + 1);
  const auto step = [&](std::uint32_t digit) {
    std::uint64_t carry = digit;
    for (auto& word : words) {
      carry += std::uint64_t{word} << 8;
      word = static_cast<std::uint32_t>(carry % 1'000'000'000);
      carry /= 1'000'000'000;
    }
    if (carry > 0) {
      words.push_back(static_cast<std::uint32_t>(carry));
    }
  };
  std::string plain(bytes);
  if (below) {  // its opposite
    bool carry = true;
    for (std::size_t i = plain.size(); i-- > 0;) {
      const auto byte = static_cast<unsigned char>(~static_cast<unsigned char>(plain[i]));
      plain[i] = static_cast<char>(carry ? byte + 1 : byte);
      carry = carry && byte == 0xFF;
    }
  }
  for (const char byte : plain) {
    step(static_cast<unsigned char>(byte));
  }
  std::string digits = below ? "-" : "";
  digits += words.empty() ? "0" : std::to_string(words.back());
  for (std::size_t i = words.size() - std::min<std::size_t>(words.size(), 1); i-- > 0;) {
    digits += fmt::format("{:09}", words[i]);
  }
  return digits;
}

std::string with_point(std::string digits, std::int32_t scale) {
  const std::size_t sign = digits.starts_with('-') ? 1 : 0;
  if (scale <= 0) {
    return digits == "0" ? digits : digits + std::string(static_cast<std::size_t>(-scale), '0');
  }
  const auto behind = static_cast<std::size_t>(scale);
  if (digits.size() - sign <= behind) {
    digits.insert(sign, behind + 1 - (digits.size() - sign), '0');
  }
  digits.insert(digits.size() - behind, 1, '.');
  return digits;
}

std::optional<std::int64_t> read_vint(std::string_view& from) {
  if (from.empty()) {
    return std::nullopt;
  }
  const auto first = static_cast<unsigned char>(from[0]);
  const auto more = static_cast<std::size_t>(std::countl_one(first));
  if (from.size() <= more) {
    return std::nullopt;
  }
  std::uint64_t bits = more >= 8 ? 0 : first & (0xFFU >> more);
  for (std::size_t i = 1; i <= more; ++i) {
    bits = bits << 8 | static_cast<unsigned char>(from[i]);
  }
  from.remove_prefix(more + 1);
  return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
}

}  // namespace millrace::cassandra
