#include "connectors/cassandra/to_cql.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/numbers.h"
#include "connectors/cassandra/protocol/wire.h"
#include "core/int128.h"
#include "core/times.h"
#include "formats/intervals.h"
#include "formats/numbers_text.h"

namespace millrace::cassandra {

namespace {

using Sql = Type::Id;
using Cql = CqlType::Id;

constexpr std::int64_t kDayMicros = 86'400'000'000;

bool is_whole(Sql id) {
  return (id >= Sql::i8 && id <= Sql::i128) || (id >= Sql::u8 && id <= Sql::u64);
}

bool is_timestamp(Sql id) { return id >= Sql::timestamp_s && id <= Sql::timestamp_tz; }

/// How many bytes a whole number of CQL has; 0: it is none of a fixed size.
std::size_t whole_bytes(Cql id) {
  switch (id) {
    case Cql::tinyint:
      return 1;
    case Cql::smallint:
      return 2;
    case Cql::int_:
      return 4;
    case Cql::bigint:
      return 8;
    default:
      return 0;
  }
}

/// A whole number, or a DECIMAL without its point.
Int128 whole_at(const Type& type, const ColumnView& column, std::size_t row) {
  switch (column.physical) {
    case Physical::i8:
      return column.values<std::int8_t>()[row];
    case Physical::i16:
      return column.values<std::int16_t>()[row];
    case Physical::i32:
      return column.values<std::int32_t>()[row];
    case Physical::i64:
      return column.values<std::int64_t>()[row];
    case Physical::u8:
      return column.values<std::uint8_t>()[row];
    case Physical::u16:
      return column.values<std::uint16_t>()[row];
    case Physical::u32:
      return column.values<std::uint32_t>()[row];
    case Physical::u64:
      return column.values<std::uint64_t>()[row];
    default:
      (void)type;
      return formats::wide_at(column, row);
  }
}

std::string digits_text(Int128 value, int scale) {
  std::string text;
  formats::write_digits(value, scale, text);
  return text;
}

/// The time of a timestamp in milliseconds since 1970, rounded down.
std::int64_t millis_of(Sql id, std::int64_t units) {
  const auto floored = [&](std::int64_t divisor) {
    return units / divisor - (units % divisor < 0 ? 1 : 0);
  };
  switch (id) {
    case Sql::timestamp_s:
      return units * 1'000;
    case Sql::timestamp_ms:
      return units;
    case Sql::timestamp_ns:
      return floored(1'000'000);
    default:
      return floored(1'000);
  }
}

}  // namespace

bool ToCql::is_convertible(const Type& from, const CqlType& to) {
  const bool small =
      from.id == Sql::i8 || from.id == Sql::i16 || from.id == Sql::u8 || from.id == Sql::u16;
  switch (to.id) {
    case Cql::tinyint:
    case Cql::smallint:
    case Cql::int_:
    case Cql::bigint:
    case Cql::varint:
      return is_whole(from.id) || (from.id == Sql::decimal && from.scale == 0);
    case Cql::decimal:
      return is_whole(from.id) || from.id == Sql::decimal;
    case Cql::float_:
      return from.id == Sql::f32 || small;
    case Cql::double_:
      return from.id == Sql::f32 || from.id == Sql::f64 || small || from.id == Sql::i32 ||
             from.id == Sql::u32;
    case Cql::boolean:
      return from.id == Sql::boolean;
    case Cql::varchar:
    case Cql::ascii:
    case Cql::inet:
      return from.id == Sql::varchar;
    case Cql::blob:
      return from.id == Sql::blob;
    case Cql::uuid:
    case Cql::timeuuid:
      return from.id == Sql::uuid;
    case Cql::date:
      return from.id == Sql::date;
    case Cql::time:
      return from.id == Sql::time;
    case Cql::timestamp:
      return is_timestamp(from.id);
    case Cql::duration:
      return from.id == Sql::interval;
    default:
      return false;
  }
}

std::optional<ToCql> ToCql::make(const Type& from, const CqlType& to) {
  if (!to.parts.empty()) {
    return make_nested(from, to);
  }
  if (!is_convertible(from, to)) {
    return std::nullopt;
  }
  return ToCql(from, to);
}

std::optional<ToCql> ToCql::make_nested(const Type& from, const CqlType& to) {
  ToCql made({.id = from.id}, {.id = to.id, .dimension = to.dimension});
  const auto add = [&](const Type& part, const CqlType& cql) {
    auto converter = make(part, cql);
    const bool is_there = converter.has_value();
    if (is_there) {
      made.parts_.push_back(*std::move(converter));
    }
    return is_there;
  };
  bool good = false;
  switch (to.id) {
    case Cql::list:
    case Cql::set:
    case Cql::vector:
      good = from.id == Sql::list && add(from.parts[0].type, to.parts[0]);
      break;
    case Cql::map:
      good = from.id == Sql::map && add(from.parts[0].type, to.parts[0]) &&
             add(from.parts[1].type, to.parts[1]);
      break;
    case Cql::tuple:
    case Cql::udt: {
      good = from.id == Sql::structure && from.parts.size() <= to.parts.size() &&
             (to.id == Cql::udt || from.parts.size() == to.parts.size());
      std::size_t found = 0;
      for (std::size_t i = 0; good && i < to.parts.size(); ++i) {
        auto place = from.parts.begin() + static_cast<std::ptrdiff_t>(i);
        if (to.id == Cql::udt) {
          place = std::ranges::find_if(from.parts, [&](const Type::Part& part) {
            return equal_ignoring_case(part.name, to.fields[i]);
          });
        }
        const bool is_there = place != from.parts.end();
        made.places_.push_back(is_there ? static_cast<int>(place - from.parts.begin()) : -1);
        if (is_there) {
          found++;
          good = add(place->type, to.parts[i]);
        } else {
          made.parts_.push_back(ToCql({}, {}));
        }
      }
      good = good && found == from.parts.size();
      break;
    }
    default:
      break;
  }
  return good ? std::optional(std::move(made)) : std::nullopt;
}

ToCql::Why ToCql::write(const ColumnView& column, std::size_t row, std::string& to) const {
  if (column.is_null(row)) {
    put_null(to);
    return std::nullopt;
  }
  const auto begin = to.size();
  put_null(to);  // in place of the length
  if (auto why = write_value(column, row, to)) {
    return why;
  }
  const auto length = to.size() - begin - sizeof(std::int32_t);
  if (std::cmp_greater(length, std::numeric_limits<std::int32_t>::max())) {
    return "a value of more than 2 GiB";
  }
  store_big_endian(static_cast<std::int32_t>(length), to.data() + begin);
  return std::nullopt;
}

ToCql::Why ToCql::write_value(const ColumnView& column, std::size_t row, std::string& to) const {
  switch (to_.id) {
    case Cql::boolean:
      to += column.values<bool>()[row] ? '\1' : '\0';
      return std::nullopt;
    case Cql::varchar:
    case Cql::blob:
      to += column.string(row);
      return std::nullopt;
    case Cql::ascii:
    case Cql::inet:
      return write_text(column.string(row), to);
    case Cql::uuid:
    case Cql::timeuuid: {
      const auto bits = static_cast<UInt128>(formats::wide_at(column, row)) ^ (UInt128{1} << 127);
      if (to_.id == Cql::timeuuid && ((bits >> 76) & 0xF) != 1) {
        return "it is no UUID of version 1, which a timeuuid is";
      }
      put(static_cast<std::uint64_t>(bits >> 64), to);
      put(static_cast<std::uint64_t>(bits), to);
      return std::nullopt;
    }
    case Cql::date:
    case Cql::time:
    case Cql::timestamp:
    case Cql::duration:
      return write_time(column, row, to);
    case Cql::list:
    case Cql::set:
    case Cql::map:
    case Cql::vector:
      return write_list(column, row, to);
    case Cql::tuple:
    case Cql::udt:
      return write_fields(column, row, to);
    default:
      return write_number(column, row, to);
  }
}

ToCql::Why ToCql::write_number(const ColumnView& column, std::size_t row, std::string& to) const {
  if (to_.id == Cql::float_) {
    put(from_.id == Sql::f32 ? column.values<float>()[row]
                             : static_cast<float>(whole_at(from_, column, row)),
        to);
    return std::nullopt;
  }
  if (to_.id == Cql::double_) {
    put(from_.id == Sql::f64   ? column.values<double>()[row]
        : from_.id == Sql::f32 ? static_cast<double>(column.values<float>()[row])
                               : static_cast<double>(whole_at(from_, column, row)),
        to);
    return std::nullopt;
  }
  const Int128 value = whole_at(from_, column, row);
  if (to_.id == Cql::decimal) {
    put(static_cast<std::int32_t>(from_.scale), to);
  }
  const auto bytes = whole_bytes(to_.id);
  if (bytes == 0) {
    put_varint(value, to);
    return std::nullopt;
  }
  const Int128 limit = Int128{1} << (8 * bytes - 1);
  if (value < -limit || value >= limit) {
    return fmt::format("{} is too large for {}", digits_text(value, 0), type_text(to_));
  }
  for (std::size_t i = bytes; i-- > 0;) {
    to += static_cast<char>(static_cast<unsigned char>((value >> (8 * i)) & 0xFF));
  }
  return std::nullopt;
}

ToCql::Why ToCql::write_text(std::string_view text, std::string& to) const {
  if (to_.id == Cql::ascii) {
    if (std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; })) {
      return "it has characters that are not ASCII";
    }
    to += text;
    return std::nullopt;
  }
  std::array<char, 16> bytes{};
  const std::string address(text);
  for (const auto& [family, size] : {std::pair{AF_INET, 4}, std::pair{AF_INET6, 16}}) {
    if (::inet_pton(family, address.c_str(), bytes.data()) == 1) {
      to.append(bytes.data(), static_cast<std::size_t>(size));
      return std::nullopt;
    }
  }
  return fmt::format("\"{}\" is no IP address", excerpt(text, 64));
}

ToCql::Why ToCql::write_time(const ColumnView& column, std::size_t row, std::string& to) const {
  constexpr auto kInfinite = "it is infinite, which CQL can't say";
  switch (to_.id) {
    case Cql::date: {
      const auto days = column.values<std::int32_t>()[row];
      if (days > kDateMax || days < -kDateMax) {
        return kInfinite;
      }
      put(static_cast<std::uint32_t>(days) ^ 0x80000000U, to);
      return std::nullopt;
    }
    case Cql::time: {
      const auto micros = column.values<std::int64_t>()[row];
      if (micros < 0 || micros >= kDayMicros) {
        return "24:00:00 is no time of CQL";
      }
      put(micros * 1'000, to);
      return std::nullopt;
    }
    case Cql::timestamp: {
      const auto units = column.values<std::int64_t>()[row];
      constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
      if (units == kMost || units == -kMost) {
        return kInfinite;
      }
      put(millis_of(from_.id, units), to);
      return std::nullopt;
    }
    default: {
      const auto& interval = column.values<Interval>()[row];
      const bool below = interval.months < 0 || interval.days < 0 || interval.micros < 0;
      const bool above = interval.months > 0 || interval.days > 0 || interval.micros > 0;
      constexpr auto kMost = std::numeric_limits<std::int64_t>::max() / 1'000;
      if ((below && above) || interval.micros > kMost || interval.micros < -kMost) {
        return "an interval with parts of both signs, or too long, is no duration of CQL";
      }
      put_vint(interval.months, to);
      put_vint(interval.days, to);
      put_vint(interval.micros * 1'000, to);
      return std::nullopt;
    }
  }
}

ToCql::Why ToCql::write_list(const ColumnView& column, std::size_t row, std::string& to) const {
  const auto list = column.values<ListEntry>()[row];
  const auto views = column.parts();
  if (to_.id == Cql::vector && std::cmp_not_equal(list.length, to_.dimension)) {
    return fmt::format("{} elements, and the vector has {}", list.length, to_.dimension);
  }
  if (to_.id != Cql::vector) {
    if (std::cmp_greater(list.length, std::numeric_limits<std::int32_t>::max())) {
      return "too many elements";
    }
    put(static_cast<std::int32_t>(list.length), to);
  }
  for (auto i = list.offset; i < list.offset + list.length; ++i) {
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      if (views[part].is_null(i)) {
        return "a collection of CQL can't hold NULL";
      }
      const auto why = to_.id == Cql::vector ? parts_[part].write_value(views[part], i, to)
                                             : parts_[part].write(views[part], i, to);
      if (why) {
        return why;
      }
    }
  }
  return std::nullopt;
}

ToCql::Why ToCql::write_fields(const ColumnView& column, std::size_t row, std::string& to) const {
  const auto views = column.parts();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (places_[i] < 0) {
      put_null(to);
    } else if (auto why = parts_[i].write(views[static_cast<std::size_t>(places_[i])], row, to)) {
      return why;
    }
  }
  return std::nullopt;
}

std::string cql_type_for(const Type& type) {
  const auto part = [&](std::size_t i) {
    const auto text = cql_type_for(type.parts[i].type);
    return type.parts[i].type.parts.empty() || text.empty() || text.starts_with("frozen")
               ? text
               : fmt::format("frozen<{}>", text);
  };
  switch (type.id) {
    case Sql::boolean:
      return "boolean";
    case Sql::i8:
      return "tinyint";
    case Sql::i16:
    case Sql::u8:
      return "smallint";
    case Sql::i32:
    case Sql::u16:
      return "int";
    case Sql::i64:
    case Sql::u32:
      return "bigint";
    case Sql::i128:
    case Sql::u64:
      return "varint";
    case Sql::f32:
      return "float";
    case Sql::f64:
      return "double";
    case Sql::varchar:
      return "text";
    case Sql::blob:
      return "blob";
    case Sql::date:
      return "date";
    case Sql::time:
      return "time";
    case Sql::interval:
      return "duration";
    case Sql::uuid:
      return "uuid";
    case Sql::decimal:
      return "decimal";
    case Sql::list:
    case Sql::map:
    case Sql::structure: {
      std::vector<std::string> parts;
      for (std::size_t i = 0; i < type.parts.size(); ++i) {
        parts.push_back(part(i));
        if (parts.back().empty()) {
          return "";
        }
      }
      const auto* const word = type.id == Sql::list  ? "list"
                               : type.id == Sql::map ? "map"
                                                     : "frozen<tuple";
      return fmt::format("{}<{}>{}", word, join(parts, ", "), type.id == Sql::structure ? ">" : "");
    }
    default:
      return is_timestamp(type.id) ? "timestamp" : "";
  }
}

}  // namespace millrace::cassandra
