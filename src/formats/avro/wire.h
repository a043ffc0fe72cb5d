// The primitives of Avro's binary encoding (specification 1.12, "Binary Encoding"). Readers give
// the place behind the value, or nullptr if the bytes are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "core/int128.h"

namespace millrace::avro {

/// 128 bits to calculate with. Columns hold them with the alignment of 64 bits: use load and store.
using Wide = Int128;
using UnsignedWide = UInt128;

inline void store_wide(void* column, std::size_t row, Wide value) noexcept {
  std::memcpy(static_cast<char*>(column) + row * sizeof(value), &value, sizeof(value));
}
inline Wide load_wide(const void* column, std::size_t row) noexcept {
  Wide value = 0;
  std::memcpy(&value, static_cast<const char*>(column) + row * sizeof(value), sizeof(value));
  return value;
}

inline constexpr int kLongBytesMax = 10;
inline constexpr int kIntBytesMax = 5;

/// A varint of at most `kBytes` bytes that fits in as many bits as they are for.
template <int kBytes>
inline const char* read_zigzag(const char* at, const char* end, std::int64_t& value) noexcept {
  std::uint64_t bits = 0;
  for (int i = 0; i < kBytes && at != end; i++) {
    const auto byte = static_cast<unsigned char>(*at++);
    if (i == kBytes - 1 && byte > (kBytes == kLongBytesMax ? 0x01 : 0x0F)) {
      return nullptr;
    }
    bits |= static_cast<std::uint64_t>(byte & 0x7FU) << (7U * static_cast<unsigned>(i));
    if (byte < 0x80) {
      value = static_cast<std::int64_t>((bits >> 1U) ^ (~(bits & 1U) + 1));
      return at;
    }
  }
  return nullptr;
}
inline const char* read_long(const char* at, const char* end, std::int64_t& value) noexcept {
  return read_zigzag<kLongBytesMax>(at, end, value);
}
inline const char* read_int(const char* at, const char* end, std::int64_t& value) noexcept {
  return read_zigzag<kIntBytesMax>(at, end, value);
}

/// A length and as many bytes.
inline const char* read_sized(const char* at, const char* end, std::string_view& bytes) noexcept {
  std::int64_t length = 0;
  at = read_long(at, end, length);
  if (at == nullptr || length < 0 || length > end - at ||
      length > std::numeric_limits<std::uint32_t>::max()) {
    return nullptr;
  }
  bytes = {at, static_cast<std::size_t>(length)};
  return at + length;
}

/// A value as its little-endian bytes.
template <class T>
inline const char* read_raw(const char* at, const char* end, T& value) noexcept {
  if (static_cast<std::size_t>(end - at) < sizeof(value)) {
    return nullptr;
  }
  std::memcpy(&value, at, sizeof(value));
  return at + sizeof(value);
}

inline bool is_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t seen = 0;
  std::uint64_t word = 0;
  if (text.size() < sizeof(word)) {
    for (const char c : text) {
      seen |= static_cast<unsigned char>(c);
    }
    return (seen & kHighBits) == 0;
  }
  for (std::size_t i = 0; i + sizeof(word) <= text.size(); i += sizeof(word)) {
    std::memcpy(&word, text.data() + i, sizeof(word));
    seen |= word;
  }
  std::memcpy(&word, text.data() + text.size() - sizeof(word), sizeof(word));
  return ((seen | word) & kHighBits) == 0;
}

inline void write_long(std::int64_t value, std::string& to) {
  auto bits = (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U);
  for (; bits >= 0x80; bits >>= 7U) {
    to += static_cast<char>((bits & 0x7FU) | 0x80U);
  }
  to += static_cast<char>(bits);
}
inline void write_sized(std::string_view bytes, std::string& to) {
  write_long(static_cast<std::int64_t>(bytes.size()), to);
  to += bytes;
}
template <class T>
inline void write_raw(T value, std::string& to) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  to.append(bytes, sizeof(value));
}

}  // namespace millrace::avro
