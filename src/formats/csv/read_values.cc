#include <charconv>
#include <system_error>

#include "base/strings.h"
#include "core/times.h"
#include "formats/csv/values.h"
#include "formats/intervals.h"
#include "formats/json/values.h"

namespace millrace::csv {

namespace {

using Id = Type::Id;
using json::Fault;
using json::PlanNode;

constexpr json::ValueRules kRules{.numbers_in_strings = true, .strict = false};

Fault put_boolean(const PlanNode& column, std::size_t row, std::string_view text) {
  const bool is_true = equal_ignoring_case(text, "true") || equal_ignoring_case(text, "t");
  if (!is_true && !equal_ignoring_case(text, "false") && !equal_ignoring_case(text, "f")) {
    return Fault::form;
  }
  column.writer->values<bool>()[row] = is_true;
  return Fault::none;
}

/// A number as JSON writes it, of one as people do: +1, 007, .5, 5.; nothing else is changed.
std::string_view plain_number(std::string_view text, std::string& scratch) {
  scratch.clear();
  if (text.starts_with('-') || text.starts_with('+')) {
    scratch += text.front() == '-' ? "-" : "";
    text.remove_prefix(1);
  }
  if (text.starts_with('-')) {
    return "";  // a second sign
  }
  while (text.size() > 1 && text[0] == '0' && is_digit(text[1])) {
    text.remove_prefix(1);
  }
  scratch += text.starts_with('.') ? "0" : "";
  const std::size_t point = text.find('.');
  const bool is_lone = text == "." || text.starts_with(".e") || text.starts_with(".E");
  if (point != std::string_view::npos && !is_lone &&
      (point + 1 == text.size() || !is_digit(text[point + 1]))) {
    scratch += text.substr(0, point);  // without the point, which no digits follow
    text.remove_prefix(point + 1);
  }
  scratch += text;
  return scratch;
}

Fault put_number(const PlanNode& column, std::size_t row, std::string_view text,
                 std::string& scratch) {
  const Fault fault = json::put_number(column, row, text, kRules);
  return fault != Fault::form ? fault
                              : json::put_number(column, row, plain_number(text, scratch), kRules);
}

template <class Float>
Fault put_float(const PlanNode& column, std::size_t row, std::string_view text,
                std::string& scratch) {
  text.remove_prefix(text.starts_with('+') && !text.starts_with("+-") ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, column.writer->values<Float>()[row]);
  if (stop != end || error == std::errc::invalid_argument) {
    return Fault::form;
  }
  // Too large, or so small that it is 0.
  return error == std::errc() ? Fault::none : put_number(column, row, text, scratch);
}

Fault put_blob(const PlanNode& column, std::size_t row, std::string_view text,
               std::string& scratch) {
  scratch.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) {
      return Fault::form;
    }
    if (text[i] != '\\') {
      scratch += text[i];
      continue;
    }
    const auto digit = [&](std::size_t at) { return at < text.size() ? hex_digit(text[at]) : -1; };
    const int high = digit(i + 2);
    const int low = digit(i + 3);
    if (i + 1 >= text.size() || text[i + 1] != 'x' || high < 0 || low < 0) {
      return Fault::form;
    }
    scratch += static_cast<char>(high * 16 + low);
    i += 3;
  }
  column.writer->set_string(row, scratch);
  return Fault::none;
}

Fault put_interval(const PlanNode& column, std::size_t row, std::string_view text) {
  return formats::read_interval(text, column.writer->values<Interval>()[row]) ? Fault::none
                                                                              : Fault::form;
}

Fault put_date(const PlanNode& column, std::size_t row, std::string_view text,
               const TimeFormat& format) {
  Moment moment;
  std::int64_t micros = 0;
  if (!format.read(text, moment) || !to_unit(moment, 6, micros)) {
    return Fault::form;
  }
  constexpr std::int64_t kSecondsADay = 86'400;
  const std::int64_t past = moment.seconds % kSecondsADay < 0 ? 1 : 0;
  column.writer->values<std::int32_t>()[row] =
      static_cast<std::int32_t>(moment.seconds / kSecondsADay - past);
  return Fault::none;
}

Fault put_timestamp(const PlanNode& column, std::size_t row, std::string_view text,
                    const TimeFormat& format) {
  Moment moment;
  if (!format.read(text, moment)) {
    return Fault::form;
  }
  const auto digits = formats::second_digits(column.id);
  return to_unit(moment, *digits, column.writer->values<std::int64_t>()[row]) ? Fault::none
                                                                              : Fault::range;
}

}  // namespace

json::Fault put_text(const PlanNode& column, std::size_t row, std::string_view text,
                     const TimeFormats& formats, std::string& scratch) {
  switch (column.id) {
    case Id::varchar:
      column.writer->set_string(row, text);
      return Fault::none;
    case Id::blob:
      return put_blob(column, row, text, scratch);
    case Id::boolean:
      return put_boolean(column, row, text);
    case Id::f32:
      return put_float<float>(column, row, text, scratch);
    case Id::f64:
      return put_float<double>(column, row, text, scratch);
    case Id::interval:
      return put_interval(column, row, text);
    case Id::date:
      return formats.date ? put_date(column, row, text, *formats.date)
                          : json::put_string(column, row, text, kRules, scratch);
    case Id::time:
    case Id::uuid:
      return json::put_string(column, row, text, kRules, scratch);
    default:
      break;
  }
  if (!formats::second_digits(column.id)) {
    return put_number(column, row, text, scratch);
  }
  return formats.timestamp ? put_timestamp(column, row, text, *formats.timestamp)
                           : json::put_string(column, row, text, kRules, scratch);
}

}  // namespace millrace::csv
