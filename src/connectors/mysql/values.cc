#include "connectors/mysql/values.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "core/uuid.h"
#include "formats/numbers_text.h"

namespace millrace::mysql {

namespace {

using Id = Type::Id;

constexpr std::string_view kNotFinite = "is not a finite number";
constexpr std::string_view kNoYear = "is not in the years 0 to 9999";
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDayMicros = 86'400 * kSecond;
/// Of a text in an index, so that several fit into one.
constexpr int kKeyCharacters = 191;

/// A value that lies in the chunk as the protocol has it.
template <class T>
void bind_in_place(const ColumnView& column, std::size_t row, enum_field_types type,
                   MYSQL_BIND& to) {
  // Only read: libmariadb has no type for that.
  to.buffer = const_cast<T*>(column.values<T>() + row);  // NOLINT
  to.buffer_type = type;
  to.is_unsigned = std::is_unsigned_v<T> ? 1 : 0;
  to.buffer_length = sizeof(T);
}

void bind_text(std::string_view text, enum_field_types type, MYSQL_BIND& to) {
  to.buffer = const_cast<char*>(text.data());  // NOLINT
  to.buffer_type = type;
  to.buffer_length = text.size();
}

template <class T>
std::string_view bind_float(const ColumnView& column, std::size_t row, enum_field_types type,
                            MYSQL_BIND& to) {
  if (!std::isfinite(column.values<T>()[row])) {
    return kNotFinite;
  }
  bind_in_place<T>(column, row, type, to);
  return {};
}

void set_clock(std::int64_t micros, MYSQL_TIME& to) {
  const auto seconds = micros / kSecond;
  to.hour = static_cast<unsigned>(seconds / 3600);
  to.minute = static_cast<unsigned>(seconds / 60 % 60);
  to.second = static_cast<unsigned>(seconds % 60);
  to.second_part = static_cast<unsigned long>(micros % kSecond);
}

/// False: the year can't be stored.
bool set_date(std::int64_t days, MYSQL_TIME& to) {
  constexpr std::int64_t kFirst = -719'528;  // 0000-01-01
  constexpr std::int64_t kLast = 2'932'896;  // 9999-12-31
  if (days < kFirst || days > kLast) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  to.year = static_cast<unsigned>(static_cast<int>(date.year()));
  to.month = static_cast<unsigned>(date.month());
  to.day = static_cast<unsigned>(date.day());
  return true;
}

/// Microseconds of a TIMESTAMP of any unit.
std::int64_t micros_of(Id id, std::int64_t value) {
  switch (id) {
    case Id::timestamp_s:
      return value * kSecond;
    case Id::timestamp_ms:
      return value * 1000;
    case Id::timestamp_ns:
      return value / 1000 - (value % 1000 < 0 ? 1 : 0);
    default:
      return value;
  }
}

std::string_view bind_moment(Id id, std::int64_t value, MYSQL_BIND& to, MYSQL_TIME& time) {
  const auto micros = micros_of(id, value);
  const auto days = micros / kDayMicros - (micros % kDayMicros < 0 ? 1 : 0);
  time = {};
  if (!set_date(days, time)) {
    return kNoYear;
  }
  set_clock(micros - days * kDayMicros, time);
  time.time_type = MYSQL_TIMESTAMP_DATETIME;
  to.buffer = &time;
  to.buffer_type = MYSQL_TYPE_DATETIME;
  return {};
}

}  // namespace

ColumnEncoder::ColumnEncoder(const Column& column) : type_(parse_type(column.type)) {
  switch (type_.id) {
    case Id::structure:
    case Id::list:
    case Id::map:
    case Id::interval:
    case Id::other:
      throw Error(Blame::user,
                  fmt::format("column {} is {}, which a table can't hold; write it as text: "
                              "to_json({})::VARCHAR, or {}::VARCHAR",
                              column.name, column.type, column.name, column.name));
    default:
      break;
  }
}

std::string_view ColumnEncoder::bind(const ColumnView& column, std::size_t row, MYSQL_BIND& to,
                                     ValueRoom& room) const {
  to = {};
  if (column.is_null(row)) {
    to.buffer_type = MYSQL_TYPE_NULL;
    return {};
  }
  switch (type_.id) {
    case Id::boolean:
    case Id::i8:
      bind_in_place<std::int8_t>(column, row, MYSQL_TYPE_TINY, to);
      return {};
    case Id::u8:
      bind_in_place<std::uint8_t>(column, row, MYSQL_TYPE_TINY, to);
      return {};
    case Id::i16:
      bind_in_place<std::int16_t>(column, row, MYSQL_TYPE_SHORT, to);
      return {};
    case Id::u16:
      bind_in_place<std::uint16_t>(column, row, MYSQL_TYPE_SHORT, to);
      return {};
    case Id::i32:
      bind_in_place<std::int32_t>(column, row, MYSQL_TYPE_LONG, to);
      return {};
    case Id::u32:
      bind_in_place<std::uint32_t>(column, row, MYSQL_TYPE_LONG, to);
      return {};
    case Id::i64:
      bind_in_place<std::int64_t>(column, row, MYSQL_TYPE_LONGLONG, to);
      return {};
    case Id::u64:
      bind_in_place<std::uint64_t>(column, row, MYSQL_TYPE_LONGLONG, to);
      return {};
    case Id::f32:
      return bind_float<float>(column, row, MYSQL_TYPE_FLOAT, to);
    case Id::f64:
      return bind_float<double>(column, row, MYSQL_TYPE_DOUBLE, to);
    case Id::varchar:
      bind_text(column.string(row), MYSQL_TYPE_STRING, to);
      return {};
    case Id::blob:
      bind_text(column.string(row), MYSQL_TYPE_BLOB, to);
      return {};
    case Id::date:
      room.time = {};
      if (!set_date(column.values<std::int32_t>()[row], room.time)) {
        return kNoYear;
      }
      room.time.time_type = MYSQL_TIMESTAMP_DATE;
      to.buffer = &room.time;
      to.buffer_type = MYSQL_TYPE_DATE;
      return {};
    case Id::time:
      room.time = {};
      set_clock(column.values<std::int64_t>()[row], room.time);
      room.time.time_type = MYSQL_TIMESTAMP_TIME;
      to.buffer = &room.time;
      to.buffer_type = MYSQL_TYPE_TIME;
      return {};
    case Id::timestamp_s:
    case Id::timestamp_ms:
    case Id::timestamp:
    case Id::timestamp_ns:
    case Id::timestamp_tz:
      return bind_moment(type_.id, column.values<std::int64_t>()[row], to, room.time);
    default:
      break;
  }
  room.text.clear();
  if (type_.id == Id::uuid) {
    room.text = uuid_text(formats::wide_at(column, row));
  } else if (type_.id == Id::decimal) {
    formats::write_decimal(type_, column, row, room.text);
  } else {
    (void)formats::write_whole(type_.id, column, row, room.text);
  }
  bind_text(room.text, MYSQL_TYPE_STRING, to);
  return {};
}

std::string column_type_of(const Column& column, bool is_key, bool is_mariadb) {
  const Type type = parse_type(column.type);
  switch (type.id) {
    case Id::boolean:
      return "BOOLEAN";
    case Id::i8:
      return "TINYINT";
    case Id::u8:
      return "TINYINT UNSIGNED";
    case Id::i16:
      return "SMALLINT";
    case Id::u16:
      return "SMALLINT UNSIGNED";
    case Id::i32:
      return "INT";
    case Id::u32:
      return "INT UNSIGNED";
    case Id::i64:
      return "BIGINT";
    case Id::u64:
      return "BIGINT UNSIGNED";
    case Id::i128:
      return "DECIMAL(39,0)";
    case Id::f32:
      return "FLOAT";
    case Id::f64:
      return "DOUBLE";
    case Id::decimal:
      return fmt::format("DECIMAL({},{})", type.precision, type.scale);
    case Id::date:
      return "DATE";
    case Id::time:
      return "TIME(6)";
    case Id::timestamp_s:
    case Id::timestamp_ms:
    case Id::timestamp:
    case Id::timestamp_ns:
    case Id::timestamp_tz:
      return "DATETIME(6)";  // TIMESTAMP ends in 2038
    case Id::uuid:
      return is_mariadb ? "UUID" : "CHAR(36)";
    case Id::blob:
      return is_key ? fmt::format("VARBINARY({})", kKeyCharacters) : "LONGBLOB";
    default:
      // By their bytes, as our keys are told apart; not without regard to case.
      return fmt::format("{} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                         is_key ? fmt::format("VARCHAR({})", kKeyCharacters) : "LONGTEXT");
  }
}

}  // namespace millrace::mysql
