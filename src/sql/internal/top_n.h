// "The last row of each key" and "the top N of each key" over a stream.
#pragma once

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"

namespace millrace::sql {

/// Replaces row_number() OVER (PARTITION BY k ORDER BY o) over a stream, of which a filter wants
/// the first N only, by an aggregation that keeps the first N rows of each k: the window function
/// would see one batch, the aggregation sees them all. Rows that are equal in `o` are ordered by
/// their other columns, so that the result does not depend on how rows were cut into batches.
///
/// Works on a plan before the optimizer. Leaves what does not fit as it is, to be refused later.
void rewrite_top_n(duckdb::unique_ptr<duckdb::LogicalOperator>& plan, duckdb::Binder& binder,
                   duckdb::ClientContext& context, const EventTimeFinder& event_times);

}  // namespace millrace::sql
