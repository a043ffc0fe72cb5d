#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "core/times.h"
#include "core/uuid.h"
#include "formats/csv/values.h"
#include "formats/intervals.h"
#include "formats/numbers_text.h"

namespace millrace::csv {

namespace {

using Id = Type::Id;

template <class Float>
void write_float(const ColumnView& column, std::size_t row, std::string& to) {
  const Float value = column.values<Float>()[row];
  if (std::isnan(value)) {
    to += "nan";  // without a sign
  } else {
    formats::write_number(value, to);
  }
}

/// As DuckDB's cast to VARCHAR, which its cast back reads.
void write_blob(std::string_view bytes, std::string& to) {
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~' && c != '\\' && c != '\'' && c != '"') {
      to += c;
    } else {
      fmt::format_to(std::back_inserter(to), "\\x{:02X}", static_cast<unsigned char>(c));
    }
  }
}

bool write_day(std::int64_t days, const TimeFormats& times, std::string& to) {
  return times.date ? times.date->write(days * 86'400, 0, to) : write_date(days, to);
}

bool write_timestamp(std::int64_t value, Id id, const TimeFormats& times, std::string& to) {
  const int digits = *formats::second_digits(id);
  if (value > kMicrosMax || value < -kMicrosMax) {
    return false;
  }
  if (times.timestamp) {
    return times.timestamp->write(value, digits, to);
  }
  if (!write_moment(value, digits, to)) {
    return false;
  }
  to += id == Id::timestamp_tz ? "Z" : "";
  return true;
}

}  // namespace

TimeFormats::TimeFormats(const Options& options) {
  if (!options.timestamp_format.empty()) {
    timestamp.emplace(options.timestamp_format);
  }
  if (!options.date_format.empty()) {
    date.emplace(options.date_format);
  }
}

bool has_text(const Type& type) noexcept {
  return type.id != Id::other && type.id != Id::structure && type.id != Id::list &&
         type.id != Id::map;
}

bool write_text(const Type& type, const ColumnView& column, std::size_t row,
                const TimeFormats& times, std::string& to) {
  switch (type.id) {
    case Id::varchar:
      to += column.string(row);
      return true;
    case Id::blob:
      write_blob(column.string(row), to);
      return true;
    case Id::boolean:
      to += column.values<bool>()[row] ? "true" : "false";
      return true;
    case Id::f32:
      write_float<float>(column, row, to);
      return true;
    case Id::f64:
      write_float<double>(column, row, to);
      return true;
    case Id::decimal:
      formats::write_decimal(type, column, row, to);
      return true;
    case Id::uuid:
      to += uuid_text(formats::wide_at(column, row));
      return true;
    case Id::date:
      return write_day(column.values<std::int32_t>()[row], times, to);
    case Id::time:
      write_time(column.values<std::int64_t>()[row], 6, to);
      return true;
    case Id::interval:
      formats::write_interval(column.values<Interval>()[row], to);
      return true;
    default:
      return formats::second_digits(type.id)
                 ? write_timestamp(column.values<std::int64_t>()[row], type.id, times, to)
                 : formats::write_whole(type.id, column, row, to);
  }
}

}  // namespace millrace::csv
