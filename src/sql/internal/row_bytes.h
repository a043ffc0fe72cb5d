// Rows as bytes, for what is kept row by row: a few rows of a DataChunk would take kilobytes.
#pragma once

#include <string>
#include <vector>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Appends a value of a flat vector, whose parts are flat, too. Equal values have equal bytes if
/// their type has_plain_equality().
void append_value(duckdb::Vector& from, duckdb::idx_t row, std::string& to);
/// Whether a value of a flat vector has the bytes at `at`, as append_value() makes them; moves `at`
/// behind them if so.
[[nodiscard]] bool has_value(duckdb::Vector& in, duckdb::idx_t row, const char*& at);
/// Whether values of two such vectors of one type have the same bytes.
[[nodiscard]] bool same_value(duckdb::Vector& a, duckdb::idx_t row_a, duckdb::Vector& b,
                              duckdb::idx_t row_b);
/// Puts the value at `at` into a row of a flat vector, copying it; gives where the next one begins.
/// Rows of lists have to be written in order.
[[nodiscard]] const char* read_value(const char* at, duckdb::Vector& to, duckdb::idx_t row);
/// The same without a vector.
[[nodiscard]] const char* skip_value(const char* at, const duckdb::LogicalType& type);

/// Whether two values are equal in SQL exactly if all their bytes are: not so of DOUBLE, INTERVAL
/// and nested types.
[[nodiscard]] bool has_plain_equality(const duckdb::LogicalType& type);

}  // namespace millrace::sql
