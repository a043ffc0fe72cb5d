#include "connectors/mysql/columns.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "core/int128.h"
#include "core/uuid.h"
#include "formats/json/numbers.h"

namespace millrace::mysql {

namespace {

using Id = Type::Id;

constexpr std::string_view kOutOfRange = "is out of the range of its type";
constexpr std::string_view kNoTimeOfDay =
    "is no time of a day; declare the column as INTERVAL or VARCHAR";
constexpr std::string_view kNoDate = "is no date";
constexpr std::string_view kNoUtf8 = "is no valid UTF-8";
constexpr std::string_view kNoUuid = "is no UUID";
constexpr std::int64_t kDayMicros = 86'400'000'000;
/// Before a geometry stands the number of its reference system.
constexpr std::size_t kSridBytes = 4;

bool is_integer(enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return true;
    default:
      return false;
  }
}

bool is_decimal(enum_field_types type) {
  return type == MYSQL_TYPE_NEWDECIMAL || type == MYSQL_TYPE_DECIMAL;
}

bool is_moment(enum_field_types type) {
  return type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_DATETIME || type == MYSQL_TYPE_TIMESTAMP;
}

/// MariaDB says of some texts and bytes what they are: "uuid", "inet6".
std::string_view kind_of(const MYSQL_FIELD& field) {
  MARIADB_CONST_STRING name{};
  return mariadb_field_attr(&name, &field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME) == 0
             ? std::string_view(name.str, name.length)
             : std::string_view();
}

int precision_of(const MYSQL_FIELD& field) {
  return static_cast<int>(field.length) - (field.decimals > 0 ? 1 : 0) -
         (is_unsigned(field) ? 0 : 1);
}

std::string_view text_type(const MYSQL_FIELD& field) {
  const auto kind = kind_of(field);
  if (kind == "uuid") {
    return "UUID";
  }
  const bool is_listed = (field.flags & (ENUM_FLAG | SET_FLAG)) != 0;
  return is_binary(field) && !is_listed && kind.empty() && field.type != MYSQL_TYPE_JSON
             ? "BLOB"
             : "VARCHAR";
}

template <class T, class Number>
std::string_view store(Number number, ColumnWriter& to, std::size_t row) {
  if (!std::in_range<T>(number)) {
    return kOutOfRange;
  }
  to.values<T>()[row] = static_cast<T>(number);
  return {};
}

template <class Number>
std::string_view store_whole(Id id, Number number, ColumnWriter& to, std::size_t row) {
  switch (id) {
    case Id::boolean:
      to.values<bool>()[row] = number != 0;
      return {};
    case Id::i8:
      return store<std::int8_t>(number, to, row);
    case Id::i16:
      return store<std::int16_t>(number, to, row);
    case Id::i32:
      return store<std::int32_t>(number, to, row);
    case Id::i64:
      return store<std::int64_t>(number, to, row);
    case Id::u8:
      return store<std::uint8_t>(number, to, row);
    case Id::u16:
      return store<std::uint16_t>(number, to, row);
    case Id::u32:
      return store<std::uint32_t>(number, to, row);
    case Id::u64:
      return store<std::uint64_t>(number, to, row);
    case Id::f32:
      to.values<float>()[row] = static_cast<float>(number);
      return {};
    case Id::f64:
      to.values<double>()[row] = static_cast<double>(number);
      return {};
    default:
      return kOutOfRange;
  }
}

/// A number times 10^scale, into what a DECIMAL or HUGEINT is kept in.
void store_scaled(Physical physical, Int128 value, ColumnWriter& to, std::size_t row) {
  switch (physical) {
    case Physical::i16:
      to.values<std::int16_t>()[row] = static_cast<std::int16_t>(value);
      return;
    case Physical::i32:
      to.values<std::int32_t>()[row] = static_cast<std::int32_t>(value);
      return;
    case Physical::i64:
      to.values<std::int64_t>()[row] = static_cast<std::int64_t>(value);
      return;
    default:
      std::memcpy(to.values<char>() + row * sizeof(value), &value, sizeof(value));
  }
}

/// As the server writes decimals; ZEROFILL puts zeros before them.
std::string_view without_zeros(std::string_view text) {
  while (text.size() > 1 && text.front() == '0' && is_digit(text[1])) {
    text.remove_prefix(1);
  }
  return text;
}

/// Microseconds since 1970; nullopt: it is no date.
std::optional<std::int64_t> micros_of(const ServerMoment& moment) {
  const std::chrono::year_month_day date{std::chrono::year(moment.year),
                                         std::chrono::month(static_cast<unsigned>(moment.month)),
                                         std::chrono::day(static_cast<unsigned>(moment.day))};
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * kDayMicros +
         moment.micros;
}

}  // namespace

std::string sql_type_of(const MYSQL_FIELD& field) {
  const bool natural = is_unsigned(field);
  switch (field.type) {
    case MYSQL_TYPE_TINY:
      return natural ? "UTINYINT" : "TINYINT";
    case MYSQL_TYPE_SHORT:
      return natural ? "USMALLINT" : "SMALLINT";
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
      return natural ? "UINTEGER" : "INTEGER";
    case MYSQL_TYPE_LONGLONG:
      return natural ? "UBIGINT" : "BIGINT";
    case MYSQL_TYPE_YEAR:
      return "SMALLINT";
    case MYSQL_TYPE_FLOAT:
      return "FLOAT";
    case MYSQL_TYPE_DOUBLE:
      return "DOUBLE";
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
      return precision_of(field) <= kMaxPowerOfTen
                 ? fmt::format("DECIMAL({},{})", std::max(precision_of(field), 1), field.decimals)
                 : "VARCHAR";
    case MYSQL_TYPE_DATE:
      return "DATE";
    case MYSQL_TYPE_DATETIME:
      return "TIMESTAMP";
    case MYSQL_TYPE_TIMESTAMP:
      return "TIMESTAMP WITH TIME ZONE";
    case MYSQL_TYPE_TIME:
      return "TIME";
    case MYSQL_TYPE_BIT:
      return field.length == 1 ? "BOOLEAN" : "UBIGINT";
    case MYSQL_TYPE_GEOMETRY:
      return "BLOB";
    default:
      return std::string(text_type(field));
  }
}

ColumnDecoder::ColumnDecoder(const MYSQL_FIELD& field, const Column& target, ZeroDates zero_dates)
    : field_(field),
      target_(parse_type(target.type)),
      nulls_zero_dates_(zero_dates == ZeroDates::null),
      is_text_(!is_integer(field.type) && !is_moment(field.type) && field.type != MYSQL_TYPE_TIME &&
               field.type != MYSQL_TYPE_FLOAT && field.type != MYSQL_TYPE_DOUBLE &&
               field.type != MYSQL_TYPE_BIT) {
  if (!can_decode()) {
    throw Error(Blame::user,
                fmt::format("column {} is {} in the database, which can't be read as {}; declare "
                            "it as {} or VARCHAR, and cast it in SQL",
                            target.name, sql_type_of(field), target.type, sql_type_of(field)));
  }
}

bool ColumnDecoder::can_decode_number() const {
  switch (target_.id) {
    case Id::boolean:
    case Id::i8:
    case Id::i16:
    case Id::i32:
    case Id::i64:
    case Id::u8:
    case Id::u16:
    case Id::u32:
    case Id::u64:
    case Id::i128:
    case Id::decimal:
    case Id::f64:
      return true;
    default:
      return false;
  }
}

bool ColumnDecoder::can_decode() const {
  if (target_.id == Id::varchar) {
    return true;
  }
  if (is_integer(field_.type)) {
    return can_decode_number();
  }
  if (is_decimal(field_.type)) {
    return target_.id == Id::decimal || target_.id == Id::i128 || target_.id == Id::f64;
  }
  switch (field_.type) {
    case MYSQL_TYPE_FLOAT:
      return target_.id == Id::f32 || target_.id == Id::f64;
    case MYSQL_TYPE_DOUBLE:
      return target_.id == Id::f64;
    case MYSQL_TYPE_BIT:
      return target_.id == Id::boolean || target_.id == Id::u64 || target_.id == Id::blob;
    case MYSQL_TYPE_DATE:
      return target_.id == Id::date || target_.id == Id::timestamp;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return target_.id == Id::timestamp || target_.id == Id::timestamp_tz;
    case MYSQL_TYPE_TIME:
      return target_.id == Id::time || target_.id == Id::interval;
    default:
      return target_.id == Id::blob || target_.id == Id::uuid;
  }
}

std::string_view ColumnDecoder::decode(const Cell& cell, ColumnWriter& to, std::size_t row) const {
  if (cell.data == nullptr) {
    to.set_null(row);
    return {};
  }
  if (target_.id == Id::varchar || target_.id == Id::blob || target_.id == Id::uuid) {
    return decode_text(cell, to, row);
  }
  if (is_moment(field_.type)) {
    return decode_moment(cell, to, row);
  }
  if (field_.type == MYSQL_TYPE_TIME) {
    return decode_time(cell, to, row);
  }
  return is_decimal(field_.type) || target_.id == Id::decimal || target_.id == Id::i128
             ? decode_decimal(cell, to, row)
             : decode_number(cell, to, row);
}

std::string_view ColumnDecoder::decode_number(const Cell& cell, ColumnWriter& to,
                                              std::size_t row) const {
  switch (field_.type) {
    case MYSQL_TYPE_FLOAT:
      if (target_.id == Id::f32) {
        to.values<float>()[row] = value_of<float>(cell);
      } else {
        to.values<double>()[row] = static_cast<double>(value_of<float>(cell));
      }
      return {};
    case MYSQL_TYPE_DOUBLE:
      to.values<double>()[row] = value_of<double>(cell);
      return {};
    case MYSQL_TYPE_BIT:
      return store_whole(target_.id, bits_of(cell), to, row);
    default:
      return is_unsigned(field_) ? store_whole(target_.id, unsigned_of(field_.type, cell), to, row)
                                 : store_whole(target_.id, signed_of(field_.type, cell), to, row);
  }
}

std::string_view ColumnDecoder::decode_decimal(const Cell& cell, ColumnWriter& to,
                                               std::size_t row) const {
  std::string text;
  write_text(field_, cell, text);
  std::string_view digits = text;
  const bool is_negative = digits.starts_with('-');
  digits = without_zeros(is_negative ? digits.substr(1) : digits);
  if (target_.id == Id::f64) {
    double value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    to.values<double>()[row] = is_negative ? -value : value;
    return {};
  }
  Int128 value = 0;
  const bool is_hugeint = target_.id == Id::i128;
  if (json::read_scaled(digits, is_hugeint ? 0 : target_.scale, json::Rounding::none, value) !=
      json::Fault::none) {
    return kOutOfRange;
  }
  if (!is_hugeint && value >= power_of_ten(target_.precision)) {
    return kOutOfRange;
  }
  store_scaled(is_hugeint ? Physical::i128 : physical_of(target_), is_negative ? -value : value, to,
               row);
  return {};
}

std::string_view ColumnDecoder::decode_moment(const Cell& cell, ColumnWriter& to,
                                              std::size_t row) const {
  const auto moment = moment_of(cell);
  const auto micros = micros_of(moment);
  if (!micros) {
    const bool is_zero = moment.month == 0 || moment.day == 0;
    if (!is_zero || !nulls_zero_dates_) {
      return kNoDate;
    }
    to.set_null(row);
    return {};
  }
  if (target_.id == Id::date) {
    to.values<std::int32_t>()[row] =
        static_cast<std::int32_t>((*micros - moment.micros) / kDayMicros);
  } else {
    to.values<std::int64_t>()[row] = *micros;
  }
  return {};
}

std::string_view ColumnDecoder::decode_time(const Cell& cell, ColumnWriter& to,
                                            std::size_t row) const {
  const auto micros = time_of(cell);
  if (target_.id == Id::interval) {
    to.values<Interval>()[row] = {.months = 0, .days = 0, .micros = micros};
    return {};
  }
  if (micros < 0 || micros > kDayMicros) {
    return kNoTimeOfDay;
  }
  to.values<std::int64_t>()[row] = micros;
  return {};
}

std::string_view ColumnDecoder::decode_text(const Cell& cell, ColumnWriter& to,
                                            std::size_t row) const {
  if (target_.id == Id::uuid) {
    const auto uuid = parse_uuid(cell.text());
    if (!uuid) {
      return kNoUuid;
    }
    store_scaled(Physical::i128, *uuid, to, row);
    return {};
  }
  if (target_.id == Id::blob) {
    auto bytes = cell.text();
    bytes.remove_prefix(field_.type == MYSQL_TYPE_GEOMETRY ? std::min(kSridBytes, bytes.size())
                                                           : 0);
    to.set_string(row, bytes);
    return {};
  }
  if (is_text_) {
    if (find_invalid_utf8(cell.text())) {
      return kNoUtf8;
    }
    to.set_string(row, cell.text());
    return {};
  }
  std::string text;
  write_text(field_, cell, text);
  to.set_string(row, text);
  return {};
}

}  // namespace millrace::mysql
