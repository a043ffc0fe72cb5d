// Short words for taking DuckDB's logical plans apart and putting them together.
#pragma once

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Where an operator hangs: its parent's child, or the root of a plan.
using Slot = duckdb::unique_ptr<duckdb::LogicalOperator>;
using Expressions = duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>;

[[nodiscard]] inline duckdb::unique_ptr<duckdb::Expression> column(const duckdb::LogicalType& type,
                                                                   duckdb::ColumnBinding binding) {
  return duckdb::make_uniq<duckdb::BoundColumnRefExpression>(type, binding);
}

[[nodiscard]] inline duckdb::unique_ptr<duckdb::Expression> constant(const duckdb::Value& value) {
  return duckdb::make_uniq<duckdb::BoundConstantExpression>(value);
}

}  // namespace millrace::sql
