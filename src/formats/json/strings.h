// JSON's strings: what stands between the quotes, and what is meant by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::json {

[[nodiscard]] inline bool has_escapes(std::string_view inside) noexcept {
  return std::memchr(inside.data(), '\\', inside.size()) != nullptr;
}
template <class Word>
[[nodiscard]] bool is_same_word(const char* a, const char* b) noexcept {
  Word left = 0;
  Word right = 0;
  std::memcpy(&left, a, sizeof(left));
  std::memcpy(&right, b, sizeof(right));
  return left == right;
}

/// As ==, but without a call for texts as long as keys mostly are: two words that overlap.
[[nodiscard]] inline bool is_same_text(std::string_view a, std::string_view b) noexcept {
  const std::size_t size = a.size();
  if (size != b.size()) {
    return false;
  }
  if (size >= 8 && size <= 16) {
    return is_same_word<std::uint64_t>(a.data(), b.data()) &&
           is_same_word<std::uint64_t>(a.data() + size - 8, b.data() + size - 8);
  }
  if (size >= 4 && size < 8) {
    return is_same_word<std::uint32_t>(a.data(), b.data()) &&
           is_same_word<std::uint32_t>(a.data() + size - 4, b.data() + size - 4);
  }
  return a == b;
}

/// Whether all escapes are as they should be: known ones, and no half of a surrogate pair.
[[nodiscard]] bool escapes_are_valid(std::string_view inside) noexcept;
/// Replaces `to` by what is meant; false: an escape is wrong. Gives UTF-8 for UTF-8.
[[nodiscard]] bool unescape(std::string_view inside, std::string& to);
/// Appends a text, valid UTF-8, in quotes and with the escapes that it needs.
void write_string(std::string_view text, std::string& to);

}  // namespace millrace::json
