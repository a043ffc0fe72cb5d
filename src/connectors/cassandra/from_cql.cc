#include "connectors/cassandra/from_cql.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/numbers.h"
#include "connectors/cassandra/protocol/wire.h"
#include "core/int128.h"
#include "core/times.h"
#include "core/uuid.h"
#include "formats/numbers_text.h"

namespace millrace::cassandra {

namespace {

using Sql = Type::Id;
using Cql = CqlType::Id;

/// Longer numbers are nobody's, and would take long to write down.
constexpr std::size_t kDigitBytesMax = 4096;
constexpr std::int32_t kScaleMax = 4096;

bool is_whole(Sql id) {
  return (id >= Sql::i8 && id <= Sql::i128) || (id >= Sql::u8 && id <= Sql::u64);
}

bool is_text_or_bytes(Cql id) {
  return id == Cql::varchar || id == Cql::ascii || id == Cql::blob || id == Cql::custom;
}

/// How many bytes each value has; 0: they differ.
std::size_t size_of(Cql id) {
  switch (id) {
    case Cql::boolean:
    case Cql::tinyint:
      return 1;
    case Cql::smallint:
      return 2;
    case Cql::int_:
    case Cql::float_:
    case Cql::date:
      return 4;
    case Cql::bigint:
    case Cql::counter:
    case Cql::double_:
    case Cql::timestamp:
    case Cql::time:
      return 8;
    case Cql::uuid:
    case Cql::timeuuid:
      return 16;
    default:
      return 0;
  }
}

/// Writes a number into a column of whole numbers, or a DECIMAL's; false: there is no room for it.
bool store_whole(Int128 value, Physical physical, ColumnWriter& to, std::size_t row) {
  const auto store = [&]<class T>(T* values) {
    if (value < static_cast<Int128>(std::numeric_limits<T>::min()) ||
        value > static_cast<Int128>(std::numeric_limits<T>::max())) {
      return false;
    }
    values[row] = static_cast<T>(value);
    return true;
  };
  switch (physical) {
    case Physical::i8:
      return store(to.values<std::int8_t>());
    case Physical::i16:
      return store(to.values<std::int16_t>());
    case Physical::i32:
      return store(to.values<std::int32_t>());
    case Physical::i64:
      return store(to.values<std::int64_t>());
    case Physical::u8:
      return store(to.values<std::uint8_t>());
    case Physical::u16:
      return store(to.values<std::uint16_t>());
    case Physical::u32:
      return store(to.values<std::uint32_t>());
    case Physical::u64:
      return store(to.values<std::uint64_t>());
    default:
      std::memcpy(to.values<char>() + row * sizeof(value), &value, sizeof(value));
      return true;
  }
}

constexpr std::string_view kTorn = "its bytes are no value of its type";

}  // namespace

bool FromCql::is_convertible(const CqlType& from, const Type& to) {
  switch (from.id) {
    case Cql::tinyint:
    case Cql::smallint:
    case Cql::int_:
    case Cql::bigint:
    case Cql::counter:
      return is_whole(to.id);
    case Cql::varint:
      return is_whole(to.id) || to.id == Sql::varchar;
    case Cql::decimal:
      return to.id == Sql::decimal || to.id == Sql::varchar || to.id == Sql::f64;
    case Cql::float_:
      return to.id == Sql::f32 || to.id == Sql::f64;
    case Cql::double_:
      return to.id == Sql::f64;
    case Cql::boolean:
      return to.id == Sql::boolean;
    case Cql::varchar:
    case Cql::ascii:
    case Cql::inet:
      return to.id == Sql::varchar;
    case Cql::uuid:
    case Cql::timeuuid:
      return to.id == Sql::uuid || to.id == Sql::varchar;
    case Cql::date:
      return to.id == Sql::date;
    case Cql::time:
      return to.id == Sql::time;
    case Cql::timestamp:
      return to.id == Sql::timestamp_tz || to.id == Sql::timestamp || to.id == Sql::timestamp_ms;
    case Cql::duration:
      return to.id == Sql::interval;
    case Cql::blob:
    case Cql::custom:
      return to.id == Sql::blob;
    default:
      return false;
  }
}

std::optional<FromCql> FromCql::make(const CqlType& from, const Type& to) {
  if (from.parts.empty()) {
    return is_convertible(from, to) ? std::optional(FromCql(from, to)) : std::nullopt;
  }
  const bool is_record = from.id == Cql::tuple || from.id == Cql::udt;
  const auto wanted = is_record ? Sql::structure : from.id == Cql::map ? Sql::map : Sql::list;
  if (to.id != wanted || to.parts.size() != from.parts.size()) {
    return std::nullopt;
  }
  FromCql made({.id = from.id, .dimension = from.dimension}, {.id = to.id});
  made.parts_.reserve(from.parts.size());
  for (std::size_t i = 0; i < from.parts.size(); ++i) {
    auto part = make(from.parts[i], to.parts[i].type);
    if (!part) {
      return std::nullopt;
    }
    made.parts_.push_back(*std::move(part));
  }
  return made;
}

FromCql::Why FromCql::read(std::optional<std::string_view> bytes, ColumnWriter& to,
                           std::size_t row) const {
  // Types other than texts have an empty value, too, which is as good as none.
  if (!bytes || (bytes->empty() && !is_text_or_bytes(from_.id))) {
    to.set_null(row);
    return std::nullopt;
  }
  const auto size = size_of(from_.id);
  if (size != 0 && bytes->size() != size) {
    return std::string(kTorn);
  }
  try {
    return read_value(*bytes, to, row);
  } catch (const BadFrame&) {
    return std::string(kTorn);
  }
}

FromCql::Why FromCql::read_value(std::string_view bytes, ColumnWriter& to, std::size_t row) const {
  switch (from_.id) {
    case Cql::boolean:
      to.values<bool>()[row] = bytes[0] != 0;
      return std::nullopt;
    case Cql::float_:
      if (to_.id == Sql::f64) {
        to.values<double>()[row] = static_cast<double>(load_big_endian<float>(bytes.data()));
      } else {
        to.values<float>()[row] = load_big_endian<float>(bytes.data());
      }
      return std::nullopt;
    case Cql::double_:
      to.values<double>()[row] = load_big_endian<double>(bytes.data());
      return std::nullopt;
    case Cql::varchar:
    case Cql::ascii:
      if (find_invalid_utf8(bytes)) {
        return "it is no valid UTF-8";
      }
      [[fallthrough]];
    case Cql::blob:
    case Cql::custom:
      to.set_string(row, bytes);
      return std::nullopt;
    case Cql::inet: {
      std::array<char, INET6_ADDRSTRLEN> text{};
      if (bytes.size() != 4 && bytes.size() != 16) {
        return std::string(kTorn);
      }
      ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
      to.set_string(row, text.data());
      return std::nullopt;
    }
    case Cql::uuid:
    case Cql::timeuuid:
      if (to_.id == Sql::varchar) {
        to.set_string(row, uuid_text(uuid_of(bytes)));
      } else {
        (void)store_whole(uuid_of(bytes), Physical::i128, to, row);
      }
      return std::nullopt;
    case Cql::decimal:
      return read_decimal(bytes, to, row);
    case Cql::date:
    case Cql::time:
    case Cql::timestamp:
    case Cql::duration:
      return read_time(bytes, to, row);
    case Cql::list:
    case Cql::set:
    case Cql::map:
    case Cql::vector:
      return read_list(bytes, to, row);
    case Cql::tuple:
    case Cql::udt:
      return read_fields(bytes, to, row);
    default:
      return read_whole(bytes, to, row);
  }
}

FromCql::Why FromCql::read_whole(std::string_view bytes, ColumnWriter& to, std::size_t row) const {
  if (bytes.size() > kDigitBytesMax) {
    return fmt::format("a number of {} bytes", bytes.size());
  }
  if (to_.id == Sql::varchar) {
    to.set_string(row, digits_of(bytes));
    return std::nullopt;
  }
  const auto value = read_varint(bytes);
  if (!value || !store_whole(*value, physical_of(to_), to, row)) {
    return digits_of(bytes) + " is too large for the column's type; `types` may name another";
  }
  return std::nullopt;
}

FromCql::Why FromCql::read_decimal(std::string_view bytes, ColumnWriter& to,
                                   std::size_t row) const {
  WireReader reader(bytes);
  const auto scale = reader.integer();
  const auto digits = reader.rest();
  if (digits.empty() || digits.size() > kDigitBytesMax || scale > kScaleMax || scale < -kScaleMax) {
    return std::string(kTorn);
  }
  if (to_.id != Sql::decimal) {
    const auto text = with_point(digits_of(digits), scale);
    if (to_.id == Sql::varchar) {
      to.set_string(row, text);
    } else {
      to.values<double>()[row] = parse_number(text).value_or(0);
    }
    return std::nullopt;
  }
  auto value = read_varint(digits);
  const Int128 limit = power_of_ten(to_.precision);
  for (int have = scale; value && have < to_.scale; ++have) {
    // What would reach the limit is refused before it is made: ten times 10^37 has no Int128.
    value = *value < limit / 10 && *value > -limit / 10 ? std::optional(*value * 10) : std::nullopt;
  }
  for (int have = scale; value && have > to_.scale; --have) {
    value = *value % 10 == 0 ? std::optional(*value / 10) : std::nullopt;
  }
  if (!value || *value >= limit || *value <= -limit) {
    return fmt::format("{} is no DECIMAL({},{}); `types` may name another type",
                       excerpt(with_point(digits_of(digits), scale), 64), to_.precision, to_.scale);
  }
  (void)store_whole(*value, physical_of(to_), to, row);
  return std::nullopt;
}

FromCql::Why FromCql::read_time(std::string_view bytes, ColumnWriter& to, std::size_t row) const {
  switch (from_.id) {
    case Cql::date: {
      const auto days =
          static_cast<std::int32_t>(load_big_endian<std::uint32_t>(bytes.data()) ^ 0x80000000U);
      if (days > kDateMax || days < -kDateMax) {
        return "a date that SQL's DATE does not reach";
      }
      to.values<std::int32_t>()[row] = days;
      return std::nullopt;
    }
    case Cql::time:
      to.values<std::int64_t>()[row] = load_big_endian<std::int64_t>(bytes.data()) / 1'000;
      return std::nullopt;
    case Cql::timestamp: {
      const auto millis = load_big_endian<std::int64_t>(bytes.data());
      const std::int64_t factor = to_.id == Sql::timestamp_ms ? 1 : 1'000;
      if (millis > kMicrosMax / 1'000 || millis < kMicrosMin / 1'000) {
        return "a time that SQL's TIMESTAMP does not reach";
      }
      to.values<std::int64_t>()[row] = millis * factor;
      return std::nullopt;
    }
    default: {
      const auto months = read_vint(bytes);
      const auto days = read_vint(bytes);
      const auto nanos = read_vint(bytes);
      if (!months || !days || !nanos || !std::in_range<std::int32_t>(*months) ||
          !std::in_range<std::int32_t>(*days)) {
        return std::string(kTorn);
      }
      to.values<Interval>()[row] = {.months = static_cast<std::int32_t>(*months),
                                    .days = static_cast<std::int32_t>(*days),
                                    .micros = *nanos / 1'000};
      return std::nullopt;
    }
  }
}

FromCql::Why FromCql::read_list(std::string_view bytes, ColumnWriter& to, std::size_t row) const {
  WireReader reader(bytes);
  const auto width = from_.id == Cql::vector ? fixed_size(parts_[0].from_) : 0;
  const auto count =
      width == 0 ? reader.count(4 * parts_.size()) : static_cast<std::size_t>(from_.dimension);
  to.begin_list(row);
  for (std::size_t i = 0; i < count; ++i) {
    const auto element = to.add_element(row);
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const auto value = width == 0 ? reader.bytes() : std::optional(reader.take(width));
      if (!value && from_.id == Cql::map && part == 0) {
        return "a map with a key that is NULL";
      }
      if (auto why = parts_[part].read(value, *to.parts()[part], element)) {
        return why;
      }
    }
  }
  return std::nullopt;
}

/// Fields that were added to a UDT are missing in older values.
FromCql::Why FromCql::read_fields(std::string_view bytes, ColumnWriter& to, std::size_t row) const {
  WireReader reader(bytes);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto value = reader.rest().empty() ? std::nullopt : reader.bytes();
    if (auto why = parts_[i].read(value, *to.parts()[i], row)) {
      return why;
    }
  }
  return std::nullopt;
}

std::string sql_type_for(const CqlType& type) {
  const auto part = [&](std::size_t i) { return sql_type_for(type.parts[i]); };
  switch (type.id) {
    case Cql::boolean:
      return "BOOLEAN";
    case Cql::tinyint:
      return "TINYINT";
    case Cql::smallint:
      return "SMALLINT";
    case Cql::int_:
      return "INTEGER";
    case Cql::bigint:
    case Cql::counter:
      return "BIGINT";
    case Cql::varint:
      return "HUGEINT";
    case Cql::decimal:
      return "DECIMAL(38,10)";
    case Cql::float_:
      return "FLOAT";
    case Cql::double_:
      return "DOUBLE";
    case Cql::varchar:
    case Cql::ascii:
    case Cql::inet:
      return "VARCHAR";
    case Cql::uuid:
    case Cql::timeuuid:
      return "UUID";
    case Cql::date:
      return "DATE";
    case Cql::time:
      return "TIME";
    case Cql::timestamp:
      return "TIMESTAMP WITH TIME ZONE";
    case Cql::duration:
      return "INTERVAL";
    case Cql::list:
    case Cql::set:
    case Cql::vector:
      return part(0) + "[]";
    case Cql::map:
      return fmt::format("MAP({}, {})", part(0), part(1));
    case Cql::tuple:
    case Cql::udt: {
      std::vector<std::string> fields;
      fields.reserve(type.parts.size());
      for (std::size_t i = 0; i < type.parts.size(); ++i) {
        const auto name = type.id == Cql::udt ? type.fields[i] : fmt::format("f{}", i + 1);
        fields.push_back(fmt::format("{} {}", in_quotes(name, '"'), part(i)));
      }
      return fmt::format("STRUCT({})", join(fields, ", "));
    }
    default:
      return "BLOB";
  }
}

std::optional<std::string> parse_value(const CqlType& type, std::string_view text) {
  std::string bytes;
  if (const auto size = size_of(type.id); type.id == Cql::tinyint || type.id == Cql::smallint ||
                                          type.id == Cql::int_ || type.id == Cql::bigint) {
    const auto number = parse_integer(text);
    const auto shift = 64 - 8 * size;
    if (!number || (shift > 0 && (*number << shift) >> shift != *number)) {
      return std::nullopt;
    }
    std::string whole;
    put(*number, whole);
    return whole.substr(8 - size);
  }
  switch (type.id) {
    case Cql::varchar:
    case Cql::ascii:
      return std::string(text);
    case Cql::boolean:
      return text == "true"    ? std::optional(std::string(1, '\1'))
             : text == "false" ? std::optional(std::string(1, '\0'))
                               : std::nullopt;
    case Cql::uuid:
    case Cql::timeuuid: {
      const auto uuid = parse_uuid(text);
      if (!uuid) {
        return std::nullopt;
      }
      const auto bits = static_cast<UInt128>(*uuid) ^ (UInt128{1} << 127);
      put(static_cast<std::uint64_t>(bits >> 64), bytes);
      put(static_cast<std::uint64_t>(bits), bytes);
      return bytes;
    }
    case Cql::timestamp: {
      const auto millis = parse_timestamp(text, 3);
      if (millis) {
        put(*millis, bytes);
      }
      return millis ? std::optional(bytes) : std::nullopt;
    }
    case Cql::date: {
      std::int32_t days = 0;
      if (!read_date(text, days)) {
        return std::nullopt;
      }
      put(static_cast<std::uint32_t>(days) ^ 0x80000000U, bytes);
      return bytes;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace millrace::cassandra
