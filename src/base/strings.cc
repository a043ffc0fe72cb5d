#include "base/strings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace millrace {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xFF;

/// The value of each character in base64.
constexpr auto kBase64Digits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    digits[static_cast<std::uint8_t>(kBase64[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}();

constexpr std::string_view kSpaces = " \t\r\n\f\v";

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) noexcept { return lower(c) >= 'a' && lower(c) <= 'z'; }

/// Takes an unsigned decimal number, perhaps with a fraction, off the front of `text`.
std::optional<double> take_amount(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && (is_digit(text[length]) || text[length] == '.')) {
    ++length;
  }
  if (length == 0) {
    return std::nullopt;
  }
  const auto value = parse_number(text.substr(0, length));
  text.remove_prefix(length);
  return value;
}

/// Takes a word of letters off the front of `text`.
std::string_view take_word(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_letter(text[length])) {
    ++length;
  }
  const std::string_view word = text.substr(0, length);
  text.remove_prefix(length);
  return word;
}

struct Unit {
  std::string_view name;
  std::int64_t size;
};

// Largest first: duration_text() takes out as many of each as fit.
constexpr std::array kDurationUnits = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000},
                                       Unit{"m", 60'000}, Unit{"s", 1'000}, Unit{"ms", 1}};

// Largest first, powers of two before powers of ten: bytes_text() takes the first that divides.
constexpr std::array kByteUnits = {Unit{"TiB", 1LL << 40},
                                   Unit{"TB", 1'000'000'000'000},
                                   Unit{"GiB", 1LL << 30},
                                   Unit{"GB", 1'000'000'000},
                                   Unit{"MiB", 1LL << 20},
                                   Unit{"MB", 1'000'000},
                                   Unit{"KiB", 1LL << 10},
                                   Unit{"KB", 1'000},
                                   Unit{"B", 1}};

// A double holds whole numbers exactly up to here, which is 285,000 years or 9 petabytes.
constexpr double kLargestExact = 9'007'199'254'740'992.0;

std::optional<std::int64_t> whole(double value) {
  if (!(value >= 0) || value > kLargestExact || std::floor(value) != value) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

/// Three digits that matter: "1.23" is not better known than "1.2" by somebody who watches.
std::string three_digits(double value) {
  return value < 99.95 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value);
}

}  // namespace

std::string_view trim(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    pieces.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) {
      return pieces;
    }
    begin = end + 1;
  }
}

std::string join(const std::vector<std::string>& pieces, std::string_view between) {
  std::string result;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) {
      result += between;
    }
    result += pieces[i];
  }
  return result;
}

std::string alternatives(const std::vector<std::string>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) {
      result += i + 1 == words.size() ? " or " : ", ";
    }
    result += "`" + words[i] + "`";
  }
  return result;
}

bool is_identifier(std::string_view text) noexcept {
  if (text.empty() || is_digit(text.front())) {
    return false;
  }
  return std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

std::string in_quotes(std::string_view text, char mark) {
  std::string result(1, mark);
  for (const char c : text) {
    result += c;
    if (c == mark) {
      result += mark;
    }
  }
  return result += mark;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char first = byte(i);
    if (first < 0x80) {
      ++i;
      continue;
    }
    std::size_t length = 0;
    std::uint32_t smallest = 0;
    std::uint32_t point = 0;
    if ((first & 0xE0U) == 0xC0) {
      length = 2, smallest = 0x80, point = first & 0x1FU;
    } else if ((first & 0xF0U) == 0xE0) {
      length = 3, smallest = 0x800, point = first & 0x0FU;
    } else if ((first & 0xF8U) == 0xF0) {
      length = 4, smallest = 0x10000, point = first & 0x07U;
    } else {
      return i;
    }
    if (i + length > text.size()) {
      return i;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0U) != 0x80) {
        return i;
      }
      point = (point << 6U) | (byte(i + k) & 0x3FU);
    }
    // Overlong forms, UTF-16 surrogates and what lies beyond Unicode are not UTF-8.
    if (point < smallest || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
      return i;
    }
    i += length;
  }
  return std::nullopt;
}

void encode_base64(std::string_view bytes, std::string& to) {
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t there = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = (bits << 8U) | (j < there ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    }
    for (unsigned j = 0; j < 4; ++j) {
      to += j <= there ? kBase64[(bits >> (18 - 6 * j)) & 0x3FU] : '=';
    }
  }
}

bool decode_base64(std::string_view text, std::string& to, Base64Padding padding) {
  to.clear();
  const bool has_whole_groups = text.size() % 4 == 0;
  if (!has_whole_groups && padding == Base64Padding::required) {
    return false;
  }
  if (has_whole_groups && text.ends_with('=')) {
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  if (text.size() % 4 == 1) {
    return false;
  }
  std::uint32_t bits = 0;
  unsigned count = 0;  // of bits that make no byte yet
  for (const char c : text) {
    const std::uint8_t digit = kBase64Digits[static_cast<std::uint8_t>(c)];
    if (digit == kNoDigit) {
      return false;
    }
    bits = (bits << 6U) | digit;
    count += 6;
    if (count >= 8) {
      count -= 8;
      to += static_cast<char>((bits >> count) & 0xFFU);
      bits &= (1U << count) - 1;
    }
  }
  return bits == 0;  // else two texts would mean the same bytes
}

std::string excerpt(std::string_view text, std::size_t bytes_max) {
  std::size_t end = std::min(text.size(), bytes_max);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;  // no half of a letter
  }
  std::string result(text.substr(0, end));
  std::size_t valid = 0;
  while (const auto bad = find_invalid_utf8(std::string_view(result).substr(valid))) {
    valid += *bad;
    result[valid] = '?';
  }
  return end < text.size() ? result + "..." : result;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table are enough: the current one, and two before it for swapped letters.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::optional<std::string> suggest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  // Names may come from others; comparing two takes as long as the product of their lengths.
  constexpr std::size_t kLettersMax = 200;
  if (word.size() > kLettersMax) {
    return std::nullopt;
  }
  const std::string given = to_lower(word);
  std::optional<std::string> best;
  // A third of the letters may be wrong, and one in the shortest words.
  std::size_t best_distance = std::max<std::size_t>(1, given.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::string lowered = to_lower(candidate);
    const auto [shorter, longer] = std::minmax({given.size(), lowered.size()});
    std::size_t distance = longer - shorter;  // at least
    if (distance < best_distance) {
      distance = edit_distance(given, lowered);
    }
    // What was begun, or said with one word too many, is nearer than its length tells.
    const bool contained = lowered.starts_with(given) || given.starts_with(lowered);
    if (contained && shorter >= 3) {
      distance = std::min<std::size_t>(distance, 1);
    }
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  if (const auto near = suggest(word, candidates)) {
    return fmt::format("did you mean `{}`?", *near);
  }
  constexpr std::size_t kMostListed = 12;
  if (candidates.empty()) {
    return {};
  }
  if (candidates.size() <= kMostListed) {
    return (candidates.size() == 1 ? "known is " : "known are ") + join(candidates, ", ");
  }
  const std::vector<std::string> listed(candidates.begin(), candidates.begin() + kMostListed);
  return fmt::format("known are {} and {} more", join(listed, ", "),
                     candidates.size() - kMostListed);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  text = trim(text);
  if (text.empty()) {
    return std::nullopt;
  }
  double total = 0;
  std::int64_t last_size = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    const auto amount = take_amount(text);
    const std::string_view word = take_word(text);
    const auto* const unit =
        std::ranges::find_if(kDurationUnits, [&](const Unit& u) { return u.name == word; });
    // Units go from large to small, each at most once, as people write them.
    if (!amount || unit == kDurationUnits.end() || unit->size >= last_size) {
      return std::nullopt;
    }
    last_size = unit->size;
    total += *amount * static_cast<double>(unit->size);
  }
  const auto milliseconds = whole(total);
  if (!milliseconds) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(*milliseconds);
}

std::string duration_text(std::chrono::milliseconds duration) {
  std::int64_t rest = duration.count();
  if (rest == 0) {
    return "0s";
  }
  std::string result = rest < 0 ? "-" : "";
  rest = std::abs(rest);
  for (const Unit& unit : kDurationUnits) {
    if (rest >= unit.size) {
      result += fmt::format("{}{}", rest / unit.size, unit.name);
      rest %= unit.size;
    }
  }
  return result;
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  text = trim(text);
  const auto amount = take_amount(text);
  const std::string_view word = trim(text);
  if (!amount) {
    return std::nullopt;
  }
  if (word.empty()) {
    return whole(*amount);
  }
  const auto* const unit = std::ranges::find_if(
      kByteUnits, [&](const Unit& u) { return equal_ignoring_case(u.name, word); });
  if (unit == kByteUnits.end()) {
    return std::nullopt;
  }
  return whole(*amount * static_cast<double>(unit->size));
}

std::string bytes_text(std::int64_t bytes) {
  for (const Unit& unit : kByteUnits) {
    if (unit.size > 1 && bytes >= unit.size && bytes % unit.size == 0) {
      return fmt::format("{}{}", bytes / unit.size, unit.name);
    }
  }
  return fmt::format("{}", bytes);
}

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.empty() || !is_digit(text.front())) {
      return std::nullopt;
    }
  }
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> parse_number(std::string_view text) noexcept {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string human_count(std::int64_t count) {
  const std::string digits = fmt::format("{}", count);
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t left = digits.size() - i;
    if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') {
      result += ',';
    }
    result += digits[i];
  }
  return result;
}

std::string human_count(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", human_count(count), noun, count == 1 ? "" : "s");
}

std::string human_bytes(std::int64_t bytes) {
  if (std::abs(bytes) < 1000) {
    return fmt::format("{} B", bytes);
  }
  constexpr std::array<std::string_view, 5> kNames = {"kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  // 999.95 would be shown as 1000.
  while (std::abs(value) >= 999.5 && unit + 1 < kNames.size()) {
    value /= 1000;
    ++unit;
  }
  return three_digits(value) + " " + std::string(kNames[unit]);
}

std::string human_duration(std::chrono::microseconds duration) {
  const auto us = duration.count();
  if (us < 1000) {
    return fmt::format("{} us", us);
  }
  if (us < 999'500) {
    return three_digits(static_cast<double>(us) / 1e3) + " ms";
  }
  if (us < 59'950'000) {
    return three_digits(static_cast<double>(us) / 1e6) + " s";
  }
  const std::int64_t seconds = (us + 500'000) / 1'000'000;
  if (seconds < 3600) {
    return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  }
  return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
}

std::string human_rate(double per_second) {
  if (per_second < 999.5) {
    return fmt::format("{:.0f}", per_second);
  }
  constexpr std::array<std::string_view, 3> kNames = {"k", "M", "G"};
  double value = per_second / 1000;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kNames.size()) {
    value /= 1000;
    ++unit;
  }
  return three_digits(value) + " " + std::string(kNames[unit]);
}

}  // namespace millrace
