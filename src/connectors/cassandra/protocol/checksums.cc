#include "connectors/cassandra/protocol/checksums.h"

#include <array>
#include <bit>
#include <cstring>

namespace millrace::cassandra {

namespace {

constexpr std::uint32_t kCrc24Start = 0x875060;
constexpr std::uint32_t kCrc24Polynomial = 0x1974F0B;
constexpr std::uint32_t kCrc32Polynomial = 0xEDB88320;

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// For eight bytes at a time: what a byte comes to that is followed by so many zeros.
constexpr Tables kTables = [] {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc32Polynomial : 0);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    for (std::size_t zeros = 1; zeros < 8; ++zeros) {
      const std::uint32_t before = tables[zeros - 1][byte];
      tables[zeros][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}();

std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) noexcept {
  while (std::endian::native == std::endian::little && bytes.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    word ^= crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      crc ^= kTables[7 - i][(word >> (8 * i)) & 0xFF];
    }
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  }
  return crc;
}

}  // namespace

std::uint32_t crc24(std::uint64_t header, std::size_t bytes) noexcept {
  std::uint32_t crc = kCrc24Start;
  for (std::size_t i = 0; i < bytes; ++i) {
    crc ^= static_cast<std::uint32_t>((header >> (8 * i)) & 0xFF) << 16;
    for (int bit = 0; bit < 8; ++bit) {
      crc <<= 1;
      crc ^= (crc & 0x1000000) != 0 ? kCrc24Polynomial : 0;
    }
  }
  return crc & 0xFFFFFF;
}

std::uint32_t payload_crc32(std::string_view payload) noexcept {
  using namespace std::string_view_literals;
  return ~crc32(crc32(0xFFFFFFFF, "\xFA\x2D\x55\xCA"sv), payload);
}

}  // namespace millrace::cassandra
