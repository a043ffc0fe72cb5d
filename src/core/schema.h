// Names and types of columns, in SQL's words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/type.h"

namespace millrace {

/// How a column's values lie in memory (see core/chunk.h). Logical types that share a layout share
/// a Physical: DATE is i32 (days since 1970-01-01), TIMESTAMP and TIMESTAMPTZ are i64 (microseconds
/// since 1970-01-01 UTC), DECIMAL(p,s) is i16, i32, i64 or i128 by its width (4, 9, 18, 38 digits).
enum class Physical : std::uint8_t {
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
  string,  ///< VARCHAR and BLOB: core::StringRef
  other,   ///< LIST, STRUCT, UUID, INTERVAL, ...: only who knows the Type looks inside
};

/// How values of an SQL type lie in memory, and of one as DuckDB prints it.
[[nodiscard]] Physical physical_of(const Type& type);
[[nodiscard]] Physical physical_of(std::string_view sql_type);

/// A column: its name and its SQL type as DuckDB writes it, e.g. "DECIMAL(12,2)".
struct Column {
  std::string name;
  std::string type;
  Physical physical = Physical::other;

  bool operator==(const Column&) const = default;
};

/// The columns of a stream, table or file, in order. Names are unique without regard to case.
struct Schema {
  std::vector<Column> columns;

  [[nodiscard]] std::size_t size() const noexcept { return columns.size(); }
  [[nodiscard]] bool empty() const noexcept { return columns.empty(); }
  /// The index of a column by its name, without regard to case; -1 if there is none.
  [[nodiscard]] int find(std::string_view name) const noexcept;
  /// "order_id BIGINT, amount DECIMAL(10,2)"
  [[nodiscard]] std::string text() const;
  bool operator==(const Schema&) const = default;
};

}  // namespace millrace
