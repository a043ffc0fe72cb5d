// How the blocks of container files are compressed (specification 1.12, "Required Codecs" and
// "Optional Codecs").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::avro {

enum class Codec : std::uint8_t { null, deflate, snappy, zstandard, bzip2, xz };

/// "deflate"; nullopt: there is no such codec.
[[nodiscard]] std::optional<Codec> codec_named(std::string_view name) noexcept;
[[nodiscard]] std::string_view word(Codec codec) noexcept;

/// Replaces `to` by the block's bytes, at most `limit`; false: it is damaged, or too large.
[[nodiscard]] bool decompress(Codec codec, std::string_view from, std::size_t limit,
                              std::string& to);
/// Replaces `to`. Throws Error (internal) if the library fails.
void compress(Codec codec, std::string_view from, std::string& to);

}  // namespace millrace::avro
