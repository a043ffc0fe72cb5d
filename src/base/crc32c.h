// The CRC-32C (Castagnoli) checksum, as in iSCSI, ext4 and most storage engines.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

/// The checksum of `bytes`, or of `before`'s bytes followed by these: crc32c(b, crc32c(a)) is the
/// checksum of a and b together. Uses the processor's instruction where there is one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0) noexcept;

/// The same without the instruction; for tests, and processors that lack it.
[[nodiscard]] std::uint32_t crc32c_portable(std::string_view bytes,
                                            std::uint32_t before = 0) noexcept;

}  // namespace millrace
