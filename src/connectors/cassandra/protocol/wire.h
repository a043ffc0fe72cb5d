// The notations of the native protocol (native_protocol_v5.spec, section 3): numbers are
// big-endian.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace millrace::cassandra {

/// Bytes that are not what the protocol says: the connection they came from is of no use any more.
class BadFrame final : public Error {
 public:
  explicit BadFrame(const std::string& text)
      : Error(Blame::external, "the server's bytes can't be read: " + text, Retry::yes) {}
};

template <class T>
concept WireNumber = std::integral<T> || std::floating_point<T>;

/// The number in the first bytes, which must be there.
template <WireNumber T>
[[nodiscard]] T load_big_endian(const char* from) noexcept {
  using Bits = std::conditional_t<
      sizeof(T) == 1, std::uint8_t,
      std::conditional_t<sizeof(T) == 2, std::uint16_t,
                         std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
  Bits bits = 0;
  std::memcpy(&bits, from, sizeof(bits));
  if constexpr (std::endian::native == std::endian::little) {
    bits = std::byteswap(bits);
  }
  return std::bit_cast<T>(bits);
}

template <WireNumber T>
void store_big_endian(T value, char* to) noexcept {
  using Bits = std::conditional_t<
      sizeof(T) == 1, std::uint8_t,
      std::conditional_t<sizeof(T) == 2, std::uint16_t,
                         std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
  auto bits = std::bit_cast<Bits>(value);
  if constexpr (std::endian::native == std::endian::little) {
    bits = std::byteswap(bits);
  }
  std::memcpy(to, &bits, sizeof(bits));
}

/// Appends a number.
template <WireNumber T>
void put(T value, std::string& to) {
  char bytes[sizeof(T)];
  store_big_endian(value, bytes);
  to.append(bytes, sizeof(bytes));
}
/// [string], [long string], [short bytes], [bytes]: lengths and bytes.
void put_string(std::string_view text, std::string& to);
void put_long_string(std::string_view text, std::string& to);
void put_short_bytes(std::string_view bytes, std::string& to);
void put_bytes(std::string_view bytes, std::string& to);
/// [bytes] that are null, and a [value] that is not set.
void put_null(std::string& to);
void put_unset(std::string& to);

/// Reads from the front of bytes, which outlive it. Every function throws BadFrame if they end
/// before what is asked for.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) noexcept : rest_(bytes) {}

  template <WireNumber T>
  [[nodiscard]] T number() {
    return load_big_endian<T>(take(sizeof(T)).data());
  }
  [[nodiscard]] std::uint8_t byte() { return number<std::uint8_t>(); }
  [[nodiscard]] std::uint16_t short_number() { return number<std::uint16_t>(); }
  [[nodiscard]] std::int32_t integer() { return number<std::int32_t>(); }
  [[nodiscard]] std::string_view string() { return take(short_number()); }
  [[nodiscard]] std::string_view short_bytes() { return take(short_number()); }
  /// nullopt: null, or not set.
  [[nodiscard]] std::optional<std::string_view> bytes();
  [[nodiscard]] std::string_view take(std::size_t count);
  /// A count of things that take at least so many bytes each.
  [[nodiscard]] std::size_t count(std::size_t bytes_each);
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace millrace::cassandra
