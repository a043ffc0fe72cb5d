// An operator that counts the rows of a stream that pass a place in a plan, and changes nothing.
#pragma once

#include "sql/internal/duckdb.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Puts a counter above `slot`, or finds the one that is there already.
RowCounter& count_rows(RunContext& run, duckdb::unique_ptr<duckdb::LogicalOperator>& slot);

[[nodiscard]] bool is_row_counter(const duckdb::PhysicalOperator& op);

}  // namespace millrace::sql
