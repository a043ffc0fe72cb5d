#include "formats/intervals.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <system_error>

#include "base/strings.h"

namespace millrace::formats {

namespace {

constexpr std::int64_t kMicrosASecond = 1'000'000;

struct Unit {
  std::string_view name;  // of one
  std::int32_t months;
  std::int32_t days;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"year", 12, 0}, {"month", 1, 0}, {"mon", 1, 0}, {"week", 0, 7}, {"day", 0, 1}}};

void write_unit(std::int32_t count, std::string_view unit, std::string& to) {
  if (count != 0) {
    fmt::format_to(std::back_inserter(to), "{} {}{} ", count, unit,
                   count == 1 || count == -1 ? "" : "s");
  }
}

/// A number of digits and nothing else.
bool read_digits(std::string_view text, std::int64_t& to) noexcept {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, to);
  return error == std::errc() && stop == end && is_digit(text.front());
}

bool add_units(std::int32_t count, std::int32_t size, std::int32_t& to) noexcept {
  std::int32_t more = 0;
  return !__builtin_mul_overflow(count, size, &more) && !__builtin_add_overflow(to, more, &to);
}

bool add(std::string_view number, std::string_view name, Interval& to) noexcept {
  std::int32_t count = 0;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, count);
  name.remove_suffix(name.ends_with('s') ? 1 : 0);
  for (const Unit& unit : kUnits) {
    if (unit.name == name) {
      return error == std::errc() && stop == end && add_units(count, unit.months, to.months) &&
             add_units(count, unit.days, to.days);
    }
  }
  return false;
}

/// "04:05:06.5", of any number of hours.
bool read_clock(std::string_view text, std::int64_t& micros) noexcept {
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative ? 1 : 0);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.size() < colon + 6 || text[colon + 3] != ':') {
    return false;
  }
  std::int64_t hours = 0;
  std::int64_t minutes = 0;
  std::int64_t seconds = 0;
  if (!read_digits(text.substr(0, colon), hours) ||
      !read_digits(text.substr(colon + 1, 2), minutes) ||
      !read_digits(text.substr(colon + 4, 2), seconds) || minutes > 59 || seconds > 59) {
    return false;
  }
  const std::string_view fraction = text.substr(colon + 6);
  std::int64_t behind = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() > 7 ||
        !read_digits(fraction.substr(1), behind)) {
      return false;
    }
    for (std::size_t digits = fraction.size(); digits < 7; ++digits) {
      behind *= 10;
    }
  }
  const std::int64_t sign = negative ? -1 : 1;
  return !__builtin_mul_overflow(hours, sign * 3600 * kMicrosASecond, &micros) &&
         !__builtin_add_overflow(
             micros, sign * ((minutes * 60 + seconds) * kMicrosASecond + behind), &micros);
}

/// The next word of a text, which is taken away with the spaces before it.
std::string_view take_word(std::string_view& text) noexcept {
  text = trim(text);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

void write_interval(const Interval& interval, std::string& to) {
  write_unit(interval.months, "month", to);
  write_unit(interval.days, "day", to);
  if (interval.micros == 0 && (interval.months != 0 || interval.days != 0)) {
    to.pop_back();
    return;
  }
  const auto micros = interval.micros < 0
                          ? std::uint64_t{0} - static_cast<std::uint64_t>(interval.micros)
                          : static_cast<std::uint64_t>(interval.micros);
  const std::uint64_t seconds = micros / kMicrosASecond;
  fmt::format_to(std::back_inserter(to), "{}{:02}:{:02}:{:02}", interval.micros < 0 ? "-" : "",
                 seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (const std::uint64_t fraction = micros % kMicrosASecond; fraction != 0) {
    fmt::format_to(std::back_inserter(to), ".{:06}", fraction);
  }
}

bool read_interval(std::string_view text, Interval& to) noexcept {
  to = {};
  bool is_empty = true;
  for (auto word = take_word(text); !word.empty(); word = take_word(text)) {
    is_empty = false;
    if (word.contains(':')) {
      return read_clock(word, to.micros) && trim(text).empty();
    }
    if (!add(word, take_word(text), to)) {
      return false;
    }
  }
  return !is_empty;
}

std::optional<int> second_digits(Type::Id id) noexcept {
  switch (id) {
    case Type::Id::timestamp_s:
      return 0;
    case Type::Id::timestamp_ms:
      return 3;
    case Type::Id::timestamp:
    case Type::Id::timestamp_tz:
      return 6;
    case Type::Id::timestamp_ns:
      return 9;
    default:
      return std::nullopt;
  }
}

}  // namespace millrace::formats
