// Reading a table as it grows: which rows are new.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/gaps.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/row_reader.h"

namespace millrace::mysql {

/// The values of the incremental columns, or of a primary key, in a row, as a JSON array. What is
/// ordered by them are the server's rows; here they are only kept.
using Key = nlohmann::json;

/// The values in a row of those columns, of whose cells and fields these are.
[[nodiscard]] Key key_of(std::span<const MYSQL_FIELD> fields, std::span<const Cell> cells);

/// A part of a key, for a statement: a number, a text, or bytes, which JSON has no form for.
[[nodiscard]] Value value_of_key(const nlohmann::json& part);

/// The incremental columns of a source.
struct KeyColumns {
  std::vector<std::string> names;
  bool is_number = false;  ///< one column of whole numbers
  /// What is compared of each column, if it is not the column: rows of an ENUM are in the order of
  /// its words' numbers.
  std::vector<std::string> terms = {};

  /// Rows after `from` (null: all) up to and with `to` (null: all).
  [[nodiscard]] Range range(const Key& from, const Key& to) const;
  /// Rows with these numbers.
  [[nodiscard]] static Range numbers(const std::string& name,
                                     const std::vector<std::int64_t>& numbers);
  /// "`updated_at`, `id`"
  [[nodiscard]] std::string list() const;
  /// The same of what is compared.
  [[nodiscard]] std::vector<std::string> compared() const;
};

/// The primary key of a table; no names: it has none.
[[nodiscard]] KeyColumns primary_key(Connection& connection, const std::string& table);

/// New rows that a batch is to read.
struct NewRows {
  Key to;  ///< of the last one
  std::int64_t rows = 0;
  /// Places to cut: keys, each with about the same number of rows before it.
  std::vector<Key> bounds;
  /// Of numbers: what is missing between the first and the last one.
  std::vector<Gaps::Range> missing;
  std::int64_t not_noted = 0;  ///< further ranges, beyond Gaps::kMax
};

/// Where to look for new rows.
struct SearchRange {
  Key from;  ///< after this one; null: from the first on
  Key to;    ///< up to and with this one; null: there is no end
  std::int64_t max_rows = 0;
  std::int64_t rows_per_range = 0;
  std::chrono::milliseconds lag{0};  ///< rows whose first incremental column is a younger time wait
};

/// The rows after `from`, in the order of their keys; nullopt: there are none. Reads their keys
/// alone, which an index has. Throws Error.
[[nodiscard]] std::optional<NewRows> find_new(Connection& connection, const std::string& table,
                                              const KeyColumns& columns, const SearchRange& where);
/// Rows of a table in the order of its key, in parts.
struct KeyRanges {
  std::vector<Key> bounds;  ///< the last key of each range but the last one, whose is `to`
  Key to;                   ///< the last key; null: there are no rows
  std::int64_t rows = 0;
  bool is_last = true;  ///< there are no rows behind `to`
};
/// Goes along the keys in the server, and takes one of each range of `rows_per_range` rows.
[[nodiscard]] KeyRanges find_ranges(Connection& connection, const std::string& table,
                                    const KeyColumns& key, const SearchRange& where);

/// Cuts the whole table without looking at its rows: a key of one whole number, whose values lie
/// close enough, in steps of the same width. nullopt: it is none; find_ranges() is for all. The
/// first range has no begin and the last one no end, so that they have all rows in any case.
[[nodiscard]] std::optional<KeyRanges> find_even_ranges(Connection& connection,
                                                        const std::string& table,
                                                        const KeyColumns& key,
                                                        std::int64_t rows_per_range);
/// Those of the missing numbers that are there now, at most so many.
[[nodiscard]] std::vector<std::int64_t> find_late(Connection& connection, const std::string& table,
                                                  const std::string& column, const Gaps& gaps,
                                                  std::int64_t max);

}  // namespace millrace::mysql
