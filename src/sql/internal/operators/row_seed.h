// random() and uuid() in a dataset: a column of seeds below, and functions of it.
#pragma once

#include <optional>

#include "sql/internal/duckdb.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Replaces the random calls of an operator of an optimized plan: an operator below it adds a
/// column with a seed for each row, and each call becomes a function of the seed and of its own
/// number. So it does not matter when, how often, or in which order the calls of a row are
/// evaluated.
///
/// `streams`: of each child, whether it gives parts of a stream. Throws SqlError where a call can't
/// be.
void replace_random_calls(duckdb::LogicalOperator& op, const std::vector<bool>& streams,
                          RunContext& run, duckdb::Binder& binder);

/// The table index of the column that it adds; nullopt: this is no such operator.
[[nodiscard]] std::optional<duckdb::idx_t> row_seed_index(const duckdb::LogicalOperator& op);
[[nodiscard]] bool is_row_seed(const duckdb::PhysicalOperator& op);

}  // namespace millrace::sql
