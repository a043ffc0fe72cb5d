// What is checked in the text of a dataset's SQL, before DuckDB binds it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/names.h"

namespace millrace::sql {

/// Parses a dataset's SQL: one SELECT that calls no table function which reads something outside.
/// Binding such a function would already open the file. Throws SqlError or DuckDB's exceptions.
[[nodiscard]] duckdb::unique_ptr<duckdb::SQLStatement> parse_select(
    const duckdb::ClientContext& context, const std::string& sql);

/// What such a SELECT reads, without what it defines itself.
[[nodiscard]] std::vector<NameRead> names_in(duckdb::SQLStatement& select);

/// What the SELECTs of any SQL read, in the same way.
[[nodiscard]] std::vector<TableRead> tables_in(const duckdb::ClientContext& context,
                                               const std::string& sql);

/// Table functions that compute their rows from their arguments.
[[nodiscard]] bool may_call_table_function(std::string_view name);

}  // namespace millrace::sql
