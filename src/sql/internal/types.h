// DuckDB's types and values in millrace's words, and back.
#pragma once

#include <string>

#include "core/chunk.h"
#include "core/schema.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// How a type's values lie in a flat vector, if a connector may look at them.
[[nodiscard]] Physical physical_of(const duckdb::LogicalType& type);
[[nodiscard]] Column column_of(const std::string& name, const duckdb::LogicalType& type);
[[nodiscard]] Schema schema_of(const duckdb::vector<duckdb::string>& names,
                               const duckdb::vector<duckdb::LogicalType>& types);
/// The type that a column's text names. The text must be normalised (as column_of writes it).
[[nodiscard]] duckdb::LogicalType type_of(const std::string& text);
[[nodiscard]] duckdb::vector<duckdb::LogicalType> types_of(const Schema& schema);

}  // namespace millrace::sql
