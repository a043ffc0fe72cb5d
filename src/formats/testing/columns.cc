#include "formats/testing/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "core/int128.h"

namespace millrace::testing {
namespace {

using Id = Type::Id;

std::string digits_of(Int128 value) {
  const bool negative = value < 0;
  auto rest = negative ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  digits += negative ? "-" : "";
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return hex;
}

std::string uuid_of(Int128 value) {
  const auto bits = static_cast<UInt128>(value) ^ (UInt128{1} << 127U);
  std::string text;
  for (unsigned i = 0; i < 16; ++i) {
    text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    text += fmt::format("{:02x}", static_cast<unsigned>(bits >> (120 - 8 * i)) & 0xFFU);
  }
  return text;
}

std::string decimal(const Type& type, const ColumnView& column, std::size_t row) {
  const Int128 value = column.physical == Physical::i16   ? column.values<std::int16_t>()[row]
                       : column.physical == Physical::i32 ? column.values<std::int32_t>()[row]
                       : column.physical == Physical::i64 ? column.values<std::int64_t>()[row]
                                                          : column.values<Int128>()[row];
  std::string digits = digits_of(value < 0 ? -value : value);
  if (type.scale > 0) {
    const auto scale = static_cast<std::size_t>(type.scale);
    digits.insert(0, digits.size() <= scale ? scale + 1 - digits.size() : 0, '0');
    digits.insert(digits.size() - scale, 1, '.');
  }
  return (value < 0 ? "-" : "") + digits;
}

nlohmann::json scalar(const Type& type, const ColumnView& column, std::size_t row) {
  switch (type.id) {
    case Id::boolean:
      return column.values<bool>()[row];
    case Id::i8:
      return column.values<std::int8_t>()[row];
    case Id::i16:
      return column.values<std::int16_t>()[row];
    case Id::i32:
    case Id::date:
      return column.values<std::int32_t>()[row];
    case Id::i128:
      return digits_of(column.values<Int128>()[row]);
    case Id::u8:
      return column.values<std::uint8_t>()[row];
    case Id::u16:
      return column.values<std::uint16_t>()[row];
    case Id::u32:
      return column.values<std::uint32_t>()[row];
    case Id::u64:
      return column.values<std::uint64_t>()[row];
    case Id::f32:
      return column.values<float>()[row];
    case Id::f64:
      return column.values<double>()[row];
    case Id::varchar:
      return std::string(column.values<StringRef>()[row].view());
    case Id::blob:
      return hex_of(column.values<StringRef>()[row].view());
    case Id::uuid:
      return uuid_of(column.values<Int128>()[row]);
    case Id::decimal:
      return decimal(type, column, row);
    case Id::interval: {
      const auto& interval = column.values<Interval>()[row];
      return {interval.months, interval.days, interval.micros};
    }
    default:
      return column.values<std::int64_t>()[row];
  }
}

nlohmann::json value(const Type& type, const ColumnView& column, std::size_t row) {
  if (column.is_null(row)) {
    return nullptr;
  }
  const auto parts = column.parts();
  if (type.id == Id::structure) {
    auto fields = nlohmann::json::object();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      fields[type.parts[i].name] = value(type.parts[i].type, parts[i], row);
    }
    return fields;
  }
  if (type.id != Id::list && type.id != Id::map) {
    return scalar(type, column, row);
  }
  const auto [offset, length] = column.values<ListEntry>()[row];
  auto elements = type.id == Id::map ? nlohmann::json::object() : nlohmann::json::array();
  for (std::size_t i = offset; i < offset + length; ++i) {
    if (type.id == Id::map) {
      const auto key = value(type.parts[0].type, parts[0], i);
      elements[key.is_string() ? key.get<std::string>() : key.dump()] =
          value(type.parts[1].type, parts[1], i);
    } else {
      elements.push_back(value(type.parts[0].type, parts[0], i));
    }
  }
  return elements;
}

}  // namespace

nlohmann::json MemoryColumns::row(std::size_t row) {
  auto values = nlohmann::json::object();
  const auto columns = views();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    values[schema_.columns[i].name] = value(parse_type(schema_.columns[i].type), columns[i], row);
  }
  return values;
}

Schema schema_of(const Columns& columns) {
  Schema schema;
  for (const auto& [name, type] : columns) {
    schema.columns.push_back({.name = name, .type = type, .physical = physical_of(type)});
  }
  return schema;
}

}  // namespace millrace::testing
