// Functions whose result depends on more than their arguments.
#pragma once

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Makes the expressions of a bound, not yet optimized plan safe to keep.
///
/// now(), current_date and their like are computed anew in each run (from the batch's time): DuckDB
/// would fold them into constants of the moment of planning. Functions that change something are
/// refused with SqlError, as a batch must give the same result when it runs again. Random ones are
/// replaced later (operators/row_seed.h).
void check_functions(duckdb::LogicalOperator& plan);

/// Whether an expression is a call of random(), uuid() or one of their kind.
[[nodiscard]] bool is_random(const duckdb::Expression& expression);

}  // namespace millrace::sql
