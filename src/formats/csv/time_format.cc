#include "formats/csv/time_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::csv {

namespace {

constexpr std::int64_t kSecondsADay = 86'400;
constexpr std::string_view kNumbers = "YymdjHIMS";
constexpr std::string_view kWords = "YymdjHIMSbBaApgfnz";

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 2> kHalves = {"AM", "PM"};
constexpr std::size_t kShortName = 3;  // "Jan", "Mon"

/// A moment by the parts that people write.
struct Parts {
  int year = 1970;
  int month = 1;
  int day = 1;
  int day_of_year = 0;  // 0: `month` and `day` say it
  int hour = 0;
  int half_hour = 0;  // 1 to 12, of `half`; 0: `hour` says it
  int half = 0;       // 0: AM, 1: PM
  int minute = 0;
  int second = 0;
  int nanos = 0;
  int offset_seconds = 0;
  bool has_offset = false;
};

/// The digits of a word that is a number.
std::size_t width_of(char word) { return word == 'Y' ? 4 : word == 'j' ? 3 : 2; }

/// Digits from the front of a text, at most so many; nullopt: there are none.
std::optional<int> take_number(std::string_view& text, std::size_t digits_max) {
  std::size_t digits = 0;
  int number = 0;
  while (digits < std::min(digits_max, text.size()) && is_digit(text[digits])) {
    number = number * 10 + (text[digits++] - '0');
  }
  text.remove_prefix(digits);
  return digits > 0 ? std::optional(number) : std::nullopt;
}

bool take_fraction(std::string_view& text, std::size_t digits_max, int& nanos) {
  const std::size_t before = text.size();
  const auto number = take_number(text, digits_max);
  nanos = number.value_or(0);
  for (std::size_t digits = before - text.size(); digits < 9; ++digits) {
    nanos *= 10;
  }
  return number.has_value();
}

/// The place of a name, in any case, from the front of a text; -1: there is none.
int take_name(std::string_view& text, std::span<const std::string_view> names, std::size_t size) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto name = names[i].substr(0, size);
    if (equal_ignoring_case(text.substr(0, name.size()), name)) {
      text.remove_prefix(name.size());
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool take_month(std::string_view& text, std::size_t size, int& month) {
  month = take_name(text, kMonths, size) + 1;
  return month > 0;
}

bool take_offset(std::string_view& text, Parts& to) {
  to.has_offset = true;
  if (text.starts_with('Z')) {
    text.remove_prefix(1);
    return true;
  }
  if (!text.starts_with('+') && !text.starts_with('-')) {
    return false;
  }
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  text.remove_prefix(text.starts_with(':') ? 1 : 0);
  const int minutes = take_number(text, 2).value_or(0);
  to.offset_seconds = sign * (hours.value_or(0) * 3600 + minutes * 60);
  return hours && *hours <= 23 && minutes <= 59;
}

bool take_numeric(std::string_view& text, char word, Parts& to) {
  const auto number = take_number(text, width_of(word));
  if (!number) {
    return false;
  }
  switch (word) {
    case 'Y':
      to.year = *number;
      return true;
    case 'y':
      to.year = *number + (*number < 69 ? 2000 : 1900);  // as POSIX has it
      return true;
    case 'm':
      to.month = *number;
      return true;
    case 'd':
      to.day = *number;
      return true;
    case 'j':
      to.day_of_year = *number;
      return *number >= 1;
    case 'H':
      to.hour = *number;
      return *number <= 23;
    case 'I':
      to.half_hour = *number;
      return *number >= 1 && *number <= 12;
    case 'M':
      to.minute = *number;
      return *number <= 59;
    default:
      to.second = *number;
      return *number <= 59;
  }
}

bool take(std::string_view& text, char word, Parts& to) {
  switch (word) {
    case 'b':
      return take_month(text, kShortName, to.month);
    case 'B':
      return take_month(text, std::string_view::npos, to.month);
    case 'a':
      return take_name(text, kWeekdays, kShortName) >= 0;
    case 'A':
      return take_name(text, kWeekdays, std::string_view::npos) >= 0;
    case 'p':
      to.half = take_name(text, kHalves, 2);
      return to.half >= 0;
    case 'g':
      return take_fraction(text, 3, to.nanos);
    case 'f':
      return take_fraction(text, 6, to.nanos);
    case 'n':
      return take_fraction(text, 9, to.nanos);
    case 'z':
      return take_offset(text, to);
    default:
      return take_numeric(text, word, to);
  }
}

bool to_moment(const Parts& parts, Moment& to) {
  using std::chrono::sys_days;
  const bool by_day = parts.day_of_year > 0;
  const std::chrono::year year(parts.year);
  const std::chrono::year_month_day date{
      year, std::chrono::month(static_cast<unsigned>(by_day ? 1 : parts.month)),
      std::chrono::day(static_cast<unsigned>(by_day ? 1 : parts.day))};
  if (!date.ok() || parts.day_of_year > (year.is_leap() ? 366 : 365)) {
    return false;
  }
  const std::int64_t days =
      sys_days(date).time_since_epoch().count() + std::max(parts.day_of_year - 1, 0);
  const int hour = parts.half_hour > 0 ? parts.half_hour % 12 + 12 * parts.half : parts.hour;
  to = {.seconds = days * kSecondsADay + hour * 3600 + parts.minute * 60 + parts.second -
                   parts.offset_seconds,
        .nanos = parts.nanos,
        .has_offset = parts.has_offset,
        .has_time = true};
  return true;
}

struct WrittenParts {
  std::chrono::sys_days date;
  std::chrono::year_month_day ymd;
  std::int64_t second = 0;  // of the day
  std::int64_t nanos = 0;
};

std::int64_t number_of(char word, const WrittenParts& from) {
  switch (word) {
    case 'Y':
      return static_cast<int>(from.ymd.year());
    case 'y':
      return static_cast<int>(from.ymd.year()) % 100;
    case 'm':
      return static_cast<unsigned>(from.ymd.month());
    case 'd':
      return static_cast<unsigned>(from.ymd.day());
    case 'j':
      return (from.date - std::chrono::sys_days(from.ymd.year() / 1 / 1)).count() + 1;
    case 'H':
      return from.second / 3600;
    case 'I':
      return (from.second / 3600 + 11) % 12 + 1;
    case 'M':
      return from.second / 60 % 60;
    default:
      return from.second % 60;
  }
}

void put(char word, bool padded, const WrittenParts& from, std::string& to) {
  const auto name = [&](std::string_view text, bool is_short) {
    to += text.substr(0, is_short ? kShortName : text.size());
  };
  const auto back = std::back_inserter(to);
  switch (word) {
    case 'b':
    case 'B':
      return name(kMonths[static_cast<unsigned>(from.ymd.month()) - 1], word == 'b');
    case 'a':
    case 'A':
      return name(kWeekdays[std::chrono::weekday(from.date).c_encoding()], word == 'a');
    case 'p':
      return name(kHalves[from.second >= kSecondsADay / 2 ? 1 : 0], false);
    case 'g':
      fmt::format_to(back, "{:03}", from.nanos / 1'000'000);
      return;
    case 'f':
      fmt::format_to(back, "{:06}", from.nanos / 1000);
      return;
    case 'n':
      fmt::format_to(back, "{:09}", from.nanos);
      return;
    case 'z':
      to += "+0000";
      return;
    default:
      fmt::format_to(back, "{:0{}}", number_of(word, from), padded ? width_of(word) : 1);
  }
}

}  // namespace

TimeFormat::TimeFormat(std::string_view pattern) { add(pattern); }

void TimeFormat::add(std::string_view pattern) {
  while (!pattern.empty()) {
    const std::size_t literal = std::min(pattern.find('%'), pattern.size());
    if (literal > 0) {
      steps_.push_back({.literal = std::string(pattern.substr(0, literal))});
      pattern.remove_prefix(literal);
      continue;
    }
    pattern.remove_prefix(1);
    const bool bare = pattern.starts_with('-');
    pattern.remove_prefix(bare ? 1 : 0);
    const char word = pattern.empty() ? ' ' : pattern.front();
    pattern.remove_prefix(pattern.empty() ? 0 : 1);
    if (word == '%' && !bare) {
      steps_.push_back({.literal = "%"});
    } else if (word == 'x' || word == 'X' || word == 'c') {
      add(word == 'x' ? "%Y-%m-%d" : word == 'X' ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S");
    } else if ((bare ? kNumbers : kWords).contains(word)) {
      steps_.push_back({.word = word, .padded = !bare});
    } else {
      throw Error(Blame::user,
                  fmt::format("there is no %{}{} in the format of a time; there are "
                              "%Y %y %m %b %B %d %j %a %A %H %I %p %M %S %g %f %n %z %x %X %c %%",
                              bare ? "-" : "", word));
    }
  }
}

bool TimeFormat::read(std::string_view text, Moment& to) const noexcept {
  Parts parts;
  for (const Step& step : steps_) {
    if (step.word == 0 ? !text.starts_with(step.literal) : !take(text, step.word, parts)) {
      return false;
    }
    text.remove_prefix(step.literal.size());
  }
  return text.empty() && to_moment(parts, to);
}

bool TimeFormat::write(std::int64_t units, int digits, std::string& to) const {
  constexpr std::int64_t kFirstDay = -719'528;  // 0000-01-01
  constexpr std::int64_t kLastDay = 2'932'896;  // 9999-12-31
  std::int64_t units_a_second = 1;
  for (int i = 0; i < digits; ++i) {
    units_a_second *= 10;
  }
  const std::int64_t fraction = (units % units_a_second + units_a_second) % units_a_second;
  const std::int64_t seconds = units / units_a_second - (units % units_a_second < 0 ? 1 : 0);
  const std::int64_t second = (seconds % kSecondsADay + kSecondsADay) % kSecondsADay;
  const std::int64_t days = seconds / kSecondsADay - (seconds % kSecondsADay < 0 ? 1 : 0);
  if (days < kFirstDay || days > kLastDay) {
    return false;
  }
  const std::chrono::sys_days date{std::chrono::days(static_cast<int>(days))};
  const WrittenParts parts{.date = date,
                           .ymd = date,
                           .second = second,
                           .nanos = fraction * (1'000'000'000 / units_a_second)};
  for (const Step& step : steps_) {
    if (step.word == 0) {
      to += step.literal;
    } else {
      put(step.word, step.padded, parts, to);
    }
  }
  return true;
}

}  // namespace millrace::csv
