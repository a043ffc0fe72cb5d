// Text: cutting it, guessing what was meant, and writing numbers the way people read them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A view of `text` without the spaces, tabs and line ends around it.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;
/// ASCII letters in lower case; all other bytes as they are.
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// The pieces between separators; always at least one, perhaps empty.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string join(const std::vector<std::string>& pieces, std::string_view between);
/// "`a`, `b` or `c`"
[[nodiscard]] std::string alternatives(const std::vector<std::string>& words);
/// 0 to 9.
[[nodiscard]] inline bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
/// 0 to 15, letters in any case; -1: it is no hexadecimal digit.
[[nodiscard]] inline int hex_digit(char c) noexcept {
  return is_digit(c)            ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}
/// A name that SQL takes without quotes: a letter or `_`, then letters, digits and `_`.
[[nodiscard]] bool is_identifier(std::string_view text) noexcept;
/// A text between two marks, those in it doubled: a name ("), a text (') of SQL, a field of CSV.
[[nodiscard]] std::string in_quotes(std::string_view text, char mark);
/// The offset of the first byte that is not valid UTF-8; nullopt if there is none.
[[nodiscard]] std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept;
/// The beginning of what somebody else wrote, for a message: UTF-8 of at most so many bytes, and
/// "..." if that is not all. A byte that is none of a letter becomes "?".
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t bytes_max);

/// Appends some bytes as base64 (RFC 4648, section 4), with padding.
void encode_base64(std::string_view bytes, std::string& to);
enum class Base64Padding : std::uint8_t { required, optional };
/// The exact opposite: replaces `to` by the bytes that a text means. False: it is no base64, has no
/// padding that is `required`, or is not the one text that encode_base64() gives for its bytes.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& to,
                                 Base64Padding padding = Base64Padding::required);

/// How many letters have to be added, removed, replaced or swapped with their neighbour to make `b`
/// of `a`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);
/// The candidate that was most likely meant by `word`; nullopt if none is near.
[[nodiscard]] std::optional<std::string> suggest(std::string_view word,
                                                 const std::vector<std::string>& candidates);
/// "did you mean `topic`?", or what there is to choose from, or nothing at all if there is nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates);

/// "250ms", "10s", "1h30m", "1.5s"; units ms, s, m, h, d. A number needs its unit.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// The exact opposite: 90'000 ms is "1m30s".
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);
/// "64MB" (10^6), "64MiB" (2^20), "1.5GB", "4096", "4096B"; K, M, G, T; letters in any case.
[[nodiscard]] std::optional<std::int64_t> parse_bytes(std::string_view text);
/// The exact opposite: 67'108'864 is "64MiB", 4'097 is "4097".
[[nodiscard]] std::string bytes_text(std::int64_t bytes);
/// A whole number in decimal digits, perhaps with a sign, and nothing else.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;
/// A finite decimal number, perhaps with an exponent, and nothing else.
[[nodiscard]] std::optional<double> parse_number(std::string_view text) noexcept;

// For people, rounded:

/// "1,234,567"
[[nodiscard]] std::string human_count(std::int64_t count);
/// "1 row", "1,234 rows"; the plural is the singular with an s.
[[nodiscard]] std::string human_count(std::int64_t count, std::string_view noun);
/// "512 B", "1.2 MB", "345 GB"; units of 1000.
[[nodiscard]] std::string human_bytes(std::int64_t bytes);
/// "86 us", "1.2 ms", "340 ms", "12.3 s", "4m 05s", "2h 03m"
[[nodiscard]] std::string human_duration(std::chrono::microseconds duration);
/// "870", "12.3 k", "4.1 M": a rate per second without its unit.
[[nodiscard]] std::string human_rate(double per_second);

}  // namespace millrace
