// Rows in DuckDB's hash tables: what lies in their columns, and what they take.
#pragma once

#include <cstdint>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// A collection with the table's layout, which stays empty: Gather() reads any rows through it.
[[nodiscard]] duckdb::unique_ptr<duckdb::TupleDataCollection> reader_of(
    duckdb::ClientContext& context, duckdb::GroupedAggregateHashTable& table);
/// Copies column `column` of up to one vector of rows.
void gather_column(duckdb::TupleDataCollection& reader, const duckdb::data_ptr_t* rows,
                   duckdb::idx_t count, duckdb::idx_t column, duckdb::Vector& out);
[[nodiscard]] std::int64_t bytes_of(const duckdb::GroupedAggregateHashTable& table);

}  // namespace millrace::sql
