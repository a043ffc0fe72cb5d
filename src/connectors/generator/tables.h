// Made-up databases, such as those of the examples: tables whose rows are numbered. Each row is a
// function of a seed and its number.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "connectors/generator/flat_rows.h"
#include "connectors/generator/row_random.h"
#include "core/schema.h"

namespace millrace {

/// What a row goes by. `time_ms` is when it happened, in milliseconds since 1970.
struct RowMaking {
  RowRandom& random;
  std::uint64_t seed = 0;
  std::int64_t number = 0;  ///< from 0; its key is one more
  std::int64_t time_ms = 0;
  bool is_flawed = false;
};

/// A table of a database.
struct TableKind {
  std::string_view name;
  Schema columns;               ///< the first one is the key, 1 for the first row
  std::string_view definition;  ///< its columns and keys, as MySQL's CREATE TABLE has them
  /// How many rows it has, of a database of so many: a constant if it does not grow with it.
  std::int64_t (*size)(std::int64_t rows) = nullptr;
  void (*fill)(const RowMaking&, FlatRows& row) = nullptr;
  bool has_flaws = false;  ///< whether fill() looks at `is_flawed`
};

/// A database. Its size is how many rows the table `counted` has. A kind
/// more is a list of tables in table_kinds.cc.
struct DatabaseKind {
  std::string_view name;  ///< on the command line
  std::string_view summary;
  std::string_view counted;       ///< the table whose rows are counted
  std::vector<TableKind> tables;  ///< those that others refer to come before them
  /// Tables that pipelines fill: CREATE TABLE statements, without these words.
  std::vector<std::string_view> others;

  [[nodiscard]] const TableKind& counted_table() const;
};

[[nodiscard]] std::span<const DatabaseKind> database_kinds();
/// nullptr: there is none of this name.
[[nodiscard]] const DatabaseKind* find_database_kind(std::string_view name);

/// Which rows there are, and when they happened.
struct TableOptions {
  std::uint64_t seed = 42;
  double invalid = 0;         ///< the share of rows with a flaw, 0 to 1, of tables that have them
  std::int64_t first = 0;     ///< the number of the row that happened at `start_ms`
  std::int64_t start_ms = 0;  ///< in milliseconds since 1970
  double per_second = 10;     ///< how many rows happen in a second
};

/// Adds the row with a number: always the same. Gives whether it has a flaw. Throws Error (the
/// user's) if there is no key for it.
bool add_row(const TableKind& table, const TableOptions& options, std::int64_t number,
             FlatRows& to);

}  // namespace millrace
