#include "formats/json/encoder.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/json/numbers.h"
#include "formats/json/strings.h"
#include "formats/json/times.h"

namespace millrace::json {
namespace {

using Id = Type::Id;

constexpr std::int64_t kInfiniteMoment = std::numeric_limits<std::int64_t>::max();

void write_digits(Int128 value, int scale, std::string& to) {
  std::array<char, 48> digits{};  // from the end
  std::size_t at = digits.size();
  auto rest = value < 0 ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  for (int i = 0; rest != 0 || i <= scale; ++i) {
    if (i == scale && scale > 0) {
      digits[--at] = '.';
    }
    digits[--at] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  to += value < 0 ? "-" : "";
  to.append(digits.data() + at, digits.size() - at);
}

template <class Number>
void write_number(Number value, std::string& to) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  to.append(text.data(), end);
}

template <class Integer>
bool write_integer(const ColumnView& column, std::size_t row, std::string& to) {
  write_number(
      static_cast<std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>>(
          column.values<Integer>()[row]),
      to);
  return true;
}

template <class Float>
bool write_float(const ColumnView& column, std::size_t row, std::string& to) {
  const Float value = column.values<Float>()[row];
  if (!std::isfinite(value)) {
    return false;
  }
  write_number(value, to);
  return true;
}

void write_decimal(const Type& type, const ColumnView& column, std::size_t row, std::string& to) {
  const Int128 value = type.precision <= 4    ? column.values<std::int16_t>()[row]
                       : type.precision <= 9  ? column.values<std::int32_t>()[row]
                       : type.precision <= 18 ? column.values<std::int64_t>()[row]
                                              : column.values<Int128>()[row];
  write_digits(value, type.scale, to);
}

void write_uuid(Int128 value, std::string& to) {
  const auto bits = static_cast<UInt128>(value) ^ (UInt128{1} << 127U);
  const auto high = static_cast<std::uint64_t>(bits >> 64U);
  const auto low = static_cast<std::uint64_t>(bits);
  to += fmt::format("\"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\"", high >> 32U, (high >> 16U) & 0xFFFFU,
                    high & 0xFFFFU, low >> 48U, low & 0xFFFF'FFFF'FFFFU);
}

bool write_timestamp(const ColumnView& column, std::size_t row, int digits, bool is_utc,
                     std::string& to) {
  const std::int64_t value = column.values<std::int64_t>()[row];
  to += '"';
  if (value >= kInfiniteMoment || value <= -kInfiniteMoment || !write_moment(value, digits, to)) {
    return false;
  }
  to += is_utc ? "Z\"" : "\"";
  return true;
}

void write_blob(std::string_view bytes, std::string& to) {
  to += '"';
  write_base64(bytes, to);
  to += '"';
}

bool write_day(std::int32_t days, std::string& to) {
  to += '"';
  if (!write_date(days, to)) {
    return false;
  }
  to += '"';
  return true;
}

void write_time_of_day(std::int64_t micros, std::string& to) {
  to += '"';
  write_time(micros, 6, to);
  to += '"';
}

/// Appends a value that is not NULL; false: JSON has no form for it. Here nested types come in,
/// when ColumnView has parts.
bool write_value(const Type& type, const ColumnView& column, std::size_t row, std::string& to) {
  switch (type.id) {
    case Id::boolean:
      to += column.values<bool>()[row] ? "true" : "false";
      return true;
    case Id::i8:
      return write_integer<std::int8_t>(column, row, to);
    case Id::i16:
      return write_integer<std::int16_t>(column, row, to);
    case Id::i32:
      return write_integer<std::int32_t>(column, row, to);
    case Id::i64:
      return write_integer<std::int64_t>(column, row, to);
    case Id::u8:
      return write_integer<std::uint8_t>(column, row, to);
    case Id::u16:
      return write_integer<std::uint16_t>(column, row, to);
    case Id::u32:
      return write_integer<std::uint32_t>(column, row, to);
    case Id::u64:
      return write_integer<std::uint64_t>(column, row, to);
    case Id::i128:
      write_digits(column.values<Int128>()[row], 0, to);
      return true;
    case Id::decimal:
      write_decimal(type, column, row, to);
      return true;
    case Id::f32:
      return write_float<float>(column, row, to);
    case Id::f64:
      return write_float<double>(column, row, to);
    case Id::varchar:
      write_string(column.string(row), to);
      return true;
    case Id::blob:
      write_blob(column.string(row), to);
      return true;
    case Id::uuid:
      write_uuid(column.values<Int128>()[row], to);
      return true;
    case Id::date:
      return write_day(column.values<std::int32_t>()[row], to);
    case Id::time:
      write_time_of_day(column.values<std::int64_t>()[row], to);
      return true;
    case Id::timestamp_s:
      return write_timestamp(column, row, 0, false, to);
    case Id::timestamp_ms:
      return write_timestamp(column, row, 3, false, to);
    case Id::timestamp:
      return write_timestamp(column, row, 6, false, to);
    case Id::timestamp_ns:
      return write_timestamp(column, row, 9, false, to);
    case Id::timestamp_tz:
      return write_timestamp(column, row, 6, true, to);
    default:
      return false;
  }
}

bool can_be_written(const Type& type) {
  return type.id != Id::interval && type.id != Id::other && type.parts.empty();
}

}  // namespace

Encoder::Encoder(const Schema& schema, const EncoderOptions& options) : options_(options) {
  for (const Column& column : schema.columns) {
    Field field{.name = column.name, .type = parse_type(column.type)};
    if (!can_be_written(field.type)) {
      throw Error(Blame::user,
                  fmt::format("column {} ({}) can't be written as JSON; cast it to VARCHAR",
                              column.name, column.type));
    }
    write_string(column.name, field.key);
    field.key += ':';
    fields_.push_back(std::move(field));
  }
}

std::optional<Malformation> Encoder::encode(const Chunk& rows, std::size_t row, std::string& to) {
  const std::size_t before = to.size();
  char separator = '{';
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const Field& field = fields_[i];
    const ColumnView& column = rows.columns[i];
    const bool is_null = column.is_null(row);
    if (is_null && options_.omit_nulls) {
      continue;
    }
    to += separator;
    separator = ',';
    to += field.key;
    if (is_null) {
      to += "null";
    } else if (!write_value(field.type, column, row, to)) {
      to.resize(before);
      return Malformation{.column = field.name,
                          .reason =
                              "a value that JSON has no form for: not a number, infinite, or "
                              "a year that is not one of 0000 to 9999"};
    }
  }
  to += separator == '{' ? "{}" : "}";
  return std::nullopt;
}

}  // namespace millrace::json
