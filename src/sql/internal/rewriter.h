// Makes an optimized plan incremental.
#pragma once

#include "sql/internal/classify.h"
#include "sql/internal/closing_times.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Replaces aggregations and DISTINCT over streams by ones that keep state, and puts row counters
/// around the operators that change the number of a stream's rows. Throws SqlError for what can't
/// be done.
///
/// It works on the optimized plan, so that filters are pushed below the aggregation and unused
/// columns are gone; what the dataset *is* (stream or table) was decided before, since the
/// optimizer may remove a stream altogether (WHERE false).
///
/// `nature`: what the whole was found to be before the optimizer. `binder`: numbers new tables.
void rewrite(duckdb::unique_ptr<duckdb::LogicalOperator>& plan, RunContext& run,
             const ClosingTimes& closing, Nature nature, duckdb::Binder& binder);

}  // namespace millrace::sql
