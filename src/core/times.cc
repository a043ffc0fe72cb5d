#include "core/times.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <iterator>

#include "base/strings.h"

namespace millrace {
namespace {

constexpr std::int64_t kSecondsADay = 86'400;
constexpr std::size_t kDateLength = 10;  // "2024-02-29"

/// Two digits; -1: they are none.
int two_digits(const char* at) {
  return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + (at[1] - '0') : -1;
}

/// 10^digits, for digits from 0 to 9.
std::int64_t power(int digits) {
  constexpr std::array<std::int64_t, 10> kPowers = {
      1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};
  return kPowers[static_cast<std::size_t>(digits)];
}

/// Appends a number with zeros before it, up to a width. (fmt takes several times as long, and
/// moments are most of what some rows are made of.)
void append_digits(std::int64_t value, int width, std::string& to) {
  if (value < 0 || value >= power(width)) {
    fmt::format_to(std::back_inserter(to), "{:0{}}", value, width);
    return;
  }
  std::array<char, 9> text{};
  for (auto i = static_cast<std::size_t>(width); i-- > 0; value /= 10) {
    text[i] = static_cast<char>('0' + (value % 10));
  }
  to.append(text.data(), static_cast<std::size_t>(width));
}

/// "23:59", "23:59:59" or "23:59:59.123" from the front of a text.
bool take_time(std::string_view& text, std::int64_t& seconds, std::int32_t& nanos) {
  nanos = 0;
  if (text.size() < 5 || text[2] != ':') {
    return false;
  }
  const int hour = two_digits(text.data());
  const int minute = two_digits(text.data() + 3);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) {
    return false;
  }
  seconds = hour * 3600 + minute * 60;
  text.remove_prefix(5);
  if (!text.starts_with(':')) {
    return true;
  }
  const int second = text.size() < 3 ? -1 : two_digits(text.data() + 1);
  if (second < 0 || second > 59) {
    return false;
  }
  seconds += second;
  text.remove_prefix(3);
  if (!text.starts_with('.')) {
    return true;
  }
  std::size_t digits = 0;
  for (text.remove_prefix(1); digits < text.size() && is_digit(text[digits]); ++digits) {
    if (digits == 9) {
      return false;
    }
    nanos = nanos * 10 + (text[digits] - '0');
  }
  text.remove_prefix(digits);
  nanos *= static_cast<std::int32_t>(power(9 - static_cast<int>(digits)));
  return digits > 0;
}

/// "Z", "+02", "+0200" or "-02:00", to the end of the text; also nothing.
bool take_offset(std::string_view text, bool& has_offset, std::int64_t& seconds) {
  seconds = 0;
  has_offset = !text.empty();
  if (text.empty() || text == "Z" || text == "z") {
    return true;
  }
  const bool behind = text.front() == '-';
  if ((!behind && text.front() != '+') || text.size() < 3) {
    return false;
  }
  const int hours = two_digits(text.data() + 1);
  text.remove_prefix(3);
  text.remove_prefix(text.starts_with(':') && text.size() == 3 ? 1 : 0);
  const int minutes = text.empty() ? 0 : text.size() == 2 ? two_digits(text.data()) : -1;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
    return false;
  }
  seconds = (hours * 3600 + minutes * 60) * (behind ? -1 : 1);
  return true;
}

}  // namespace

bool read_date(std::string_view text, std::int32_t& days) noexcept {
  if (text.size() != kDateLength || text[4] != '-' || text[7] != '-') {
    return false;
  }
  const int century = two_digits(text.data());
  const int year = two_digits(text.data() + 2);
  const int month = two_digits(text.data() + 5);
  const int day = two_digits(text.data() + 8);
  if (century < 0 || year < 0 || month < 0 || day < 0) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(century * 100 + year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) {
    return false;
  }
  days = static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
  return true;
}

bool read_time(std::string_view text, std::int64_t& micros) noexcept {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  if (!take_time(text, seconds, nanos) || !text.empty()) {
    return false;
  }
  micros = seconds * 1'000'000 + nanos / 1000;
  return true;
}

bool read_moment(std::string_view text, Moment& to) noexcept {
  std::int32_t days = 0;
  if (!read_date(text.substr(0, kDateLength), days)) {
    return false;
  }
  to = {.seconds = days * kSecondsADay};
  text.remove_prefix(kDateLength);
  if (text.empty()) {
    return true;
  }
  if (text.front() != 'T' && text.front() != ' ' && text.front() != 't') {
    return false;
  }
  text.remove_prefix(1);
  std::int64_t seconds = 0;
  std::int64_t offset = 0;
  if (!take_time(text, seconds, to.nanos) || !take_offset(text, to.has_offset, offset)) {
    return false;
  }
  to.seconds += seconds - offset;
  to.has_time = true;
  return true;
}

bool to_unit(const Moment& moment, int digits, std::int64_t& to) noexcept {
  // TIMESTAMP's first and last day hold for _S and _MS, too; _NS ends where its bits do.
  const std::int64_t first = digits == 9 ? -kMicrosMax : kMicrosMin / power(6 - digits);
  const std::int64_t last = digits == 9 ? kMicrosMax : kMicrosMax / power(6 - digits);
  std::int64_t value = 0;
  if (__builtin_mul_overflow(moment.seconds, power(digits), &value) ||
      __builtin_add_overflow(value, moment.nanos / power(9 - digits), &value) || value < first ||
      value > last) {
    return false;
  }
  to = value;
  return true;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text, int digits) noexcept {
  Moment moment;
  std::int64_t units = 0;
  const bool good = read_moment(text, moment) && to_unit(moment, digits, units);
  return good ? std::optional(units) : std::nullopt;
}

bool write_date(std::int64_t days, std::string& to) {
  constexpr std::int64_t kFirstDay = -719'528;  // 0000-01-01
  constexpr std::int64_t kLastDay = 2'932'896;  // 9999-12-31
  if (days < kFirstDay || days > kLastDay) {
    return false;
  }
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))};
  append_digits(static_cast<int>(date.year()), 4, to);
  to += '-';
  append_digits(static_cast<unsigned>(date.month()), 2, to);
  to += '-';
  append_digits(static_cast<unsigned>(date.day()), 2, to);
  return true;
}

void write_time(std::int64_t units, int digits, std::string& to) {
  const std::int64_t seconds = units / power(digits);
  const std::int64_t fraction = units % power(digits);
  append_digits(seconds / 3600, 2, to);
  to += ':';
  append_digits(seconds / 60 % 60, 2, to);
  to += ':';
  append_digits(seconds % 60, 2, to);
  if (fraction != 0) {
    to += '.';
    append_digits(fraction, digits, to);
  }
}

bool write_moment(std::int64_t units, int digits, std::string& to) {
  const std::int64_t units_a_day = kSecondsADay * power(digits);
  std::int64_t days = units / units_a_day;
  std::int64_t rest = units % units_a_day;
  if (rest < 0) {
    rest += units_a_day;
    --days;
  }
  if (!write_date(days, to)) {
    return false;
  }
  to += 'T';
  write_time(rest, digits, to);
  return true;
}

}  // namespace millrace
