// The checksums of protocol v5's segments (native_protocol_v5.spec, section 2.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::cassandra {

/// CRC-24 of a segment's header, whose bytes are those of a number in little-endian order.
[[nodiscard]] std::uint32_t crc24(std::uint64_t header, std::size_t bytes) noexcept;
/// CRC-32 (as zlib's) of a segment's payload, begun with the four bytes FA 2D 55 CA.
[[nodiscard]] std::uint32_t payload_crc32(std::string_view payload) noexcept;

}  // namespace millrace::cassandra
