// Keys of live tables as bytes, from rows and from values that are looked up.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <utility>

#include "base/error.h"
#include "sql/internal/live_tables.h"
#include "sql/internal/row_bytes.h"

namespace millrace::sql {
namespace {

using duckdb::LogicalTypeId;

template <class T>
void append_plain(T value, std::string& to) {
  to += '\1';
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// False: no value of the type is equal to it.
template <std::integral T>
bool append_integer(const ReadValue& value, std::string& to) {
  std::int64_t number = 0;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    number = *whole;
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (std::trunc(*real) != *real || std::abs(*real) >= 0x1p63) {
      return false;
    }
    number = static_cast<std::int64_t>(*real);
  }
  if (!std::in_range<T>(number)) {
    return false;
  }
  append_plain(static_cast<T>(number), to);
  return true;
}

bool is_number(const ReadValue& value) {
  return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
}

/// Any value of any type, as SQL casts it.
bool append_cast(const ReadValue& value, const duckdb::LogicalType& type, const Column& column,
                 std::string& to) {
  const duckdb::Value plain = value_of(value);
  duckdb::Value cast;
  std::string error;
  if (!plain.DefaultTryCastAs(type, cast, &error)) {
    throw Error(Blame::user, fmt::format("`{}` is no {}, which column {} is", plain.ToString(),
                                         column.type, column.name));
  }
  duckdb::Vector one(cast);
  one.Flatten(1);
  append_value(one, 0, to);
  return true;
}

/// False: no row can have it.
bool append_key_value(const ReadValue& value, const duckdb::LogicalType& type, const Column& column,
                      std::string& to) {
  if (std::holds_alternative<std::monostate>(value)) {
    return false;  // as `=` in SQL
  }
  if (is_number(value)) {
    switch (type.id()) {
      case LogicalTypeId::BIGINT:
        return append_integer<std::int64_t>(value, to);
      case LogicalTypeId::INTEGER:
        return append_integer<std::int32_t>(value, to);
      case LogicalTypeId::SMALLINT:
        return append_integer<std::int16_t>(value, to);
      case LogicalTypeId::TINYINT:
        return append_integer<std::int8_t>(value, to);
      case LogicalTypeId::UBIGINT:
        return append_integer<std::uint64_t>(value, to);
      case LogicalTypeId::UINTEGER:
        return append_integer<std::uint32_t>(value, to);
      default:
        return append_cast(value, type, column, to);
    }
  }
  if (const auto* text = std::get_if<std::string>(&value);
      text != nullptr && type.id() == LogicalTypeId::VARCHAR) {
    append_plain(static_cast<std::uint32_t>(text->size()), to);
    to += *text;
    return true;
  }
  if (const auto* date = std::get_if<DateValue>(&value);
      date != nullptr && type.id() == LogicalTypeId::DATE) {
    append_plain(date->days, to);
    return true;
  }
  if (const auto* time = std::get_if<TimestampValue>(&value);
      time != nullptr &&
      (type.id() == LogicalTypeId::TIMESTAMP || type.id() == LogicalTypeId::TIMESTAMP_TZ)) {
    append_plain(time->us, to);
    return true;
  }
  return append_cast(value, type, column, to);
}

}  // namespace

duckdb::Value value_of(const ReadValue& value) {
  return std::visit(
      [](const auto& plain) {
        using T = std::decay_t<decltype(plain)>;
        if constexpr (std::same_as<T, std::monostate>) {
          return duckdb::Value();
        } else if constexpr (std::same_as<T, bool>) {
          return duckdb::Value::BOOLEAN(plain);
        } else if constexpr (std::same_as<T, std::int64_t>) {
          return duckdb::Value::BIGINT(plain);
        } else if constexpr (std::same_as<T, double>) {
          return duckdb::Value::DOUBLE(plain);
        } else if constexpr (std::same_as<T, std::string>) {
          return duckdb::Value(plain);
        } else if constexpr (std::same_as<T, DateValue>) {
          return duckdb::Value::DATE(duckdb::date_t(plain.days));
        } else {
          return duckdb::Value::TIMESTAMP(duckdb::timestamp_t(plain.us));
        }
      },
      value);
}

void LiveTable::Impl::append_key(duckdb::DataChunk& rows, std::size_t row, std::string& to) const {
  if (key.empty()) {
    for (auto& column : rows.data) {
      append_value(column, row, to);
    }
    return;
  }
  for (const std::size_t column : key) {
    append_value(rows.data[column], row, to);
  }
}

bool LiveTable::Impl::has_key(duckdb::DataChunk& rows, std::size_t row,
                              const std::string& wanted) const {
  const char* at = wanted.data();
  if (key.empty()) {
    return std::ranges::all_of(rows.data, [&](auto& column) { return has_value(column, row, at); });
  }
  return std::ranges::all_of(
      key, [&](std::size_t column) { return has_value(rows.data[column], row, at); });
}

bool LiveTable::Impl::key_bytes(std::span<const ReadValue> values, std::string& to) const {
  if (values.size() != key.size() || key.empty()) {
    throw Error(Blame::internal, fmt::format("table {} has a key of {} columns, and not of {}",
                                             name, key.size(), values.size()));
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (!append_key_value(values[i], types[key[i]], schema.columns[key[i]], to)) {
      return false;
    }
  }
  return true;
}

}  // namespace millrace::sql
