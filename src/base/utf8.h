// Texts that may be no valid UTF-8, or are to be cut.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

/// The text with a replacement character for each byte that is not valid UTF-8.
[[nodiscard]] std::string as_utf8(std::string_view text);

/// Where to cut a part of a longer text off: not within a character, nor within CRLF. Never at its
/// beginning.
[[nodiscard]] std::size_t place_to_cut(std::string_view text) noexcept;

}  // namespace millrace
