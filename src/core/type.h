// SQL types taken apart, for those who write or read values: formats and connectors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A type of DuckDB's SQL with what it is made of.
struct Type {
  enum class Id : std::uint8_t {
    boolean,
    i8,
    i16,
    i32,
    i64,
    i128,
    u8,
    u16,
    u32,
    u64,
    f32,
    f64,
    varchar,  ///< StringRef, valid UTF-8
    blob,     ///< StringRef
    date,     ///< i32: days since 1970-01-01
    time,     ///< i64: microseconds since midnight
    timestamp_s,
    timestamp_ms,
    timestamp,  ///< i64: microseconds since 1970-01-01; the others in the unit of their name
    timestamp_ns,
    timestamp_tz,  ///< as timestamp, in UTC
    interval,      ///< Interval
    uuid,          ///< i128: its 128 bits, of which the highest is flipped
    decimal,       ///< i16, i32, i64 or i128, by precision
    structure,     ///< `parts`: the fields
    list,          ///< ListEntry; `parts`: the elements
    map,           ///< ListEntry; `parts`: keys and values
    other,         ///< ENUM, UNION, fixed ARRAY, ...: only sql/ looks inside
  };
  struct Part;

  Id id = Id::other;
  int precision = 0;  ///< DECIMAL's digits in all, and
  int scale = 0;      ///< those behind the point
  std::vector<Part> parts;

  bool operator==(const Type&) const;
};
struct Type::Part {
  std::string name;  ///< of a field
  Type type;

  bool operator==(const Part&) const = default;
};

/// The type that a text names, as DuckDB prints it: "STRUCT(a INTEGER, \"b c\" DECIMAL(12,2)[])".
/// What is not understood, or nested more than 128 deep, is Id::other.
[[nodiscard]] Type parse_type(std::string_view sql_type);

}  // namespace millrace
