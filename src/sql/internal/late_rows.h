// Rows that come too late for the state of a plan, given out whole: as its stream gave them.
//
// A plan computes no more columns than it needs, so what arrives at an operator is not what a
// person would want back. A plan whose late rows are wanted therefore carries the whole row, as one
// column of type STRUCT, from the scan of its stream up to the operator that may find it late.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sql/internal/closing_times.h"
#include "sql/internal/column_views.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/input.h"
#include "sql/plan.h"

namespace millrace::sql {

struct RunContext;

/// What a plan that gives its late rows out knows of them.
struct LateRowsOut {
  const Input* stream = nullptr;  // whose rows are carried; nullptr: none are
  Receiver* receiver = nullptr;   // nullptr: nobody takes them now
};

/// Has the rows of a bound plan's stream carried, whole, to the lowest operator that may find them
/// late; before the optimizer runs. Sets `out.stream`, or gives the reason why it can't be done.
[[nodiscard]] std::optional<std::string> carry_whole_rows(
    duckdb::unique_ptr<duckdb::LogicalOperator>& plan, duckdb::Binder& binder,
    duckdb::ClientContext& context, const ClosingTimes& closing, LateRowsOut& out);

// How the operators that take the place of DuckDB's find the whole row again. Its column stays in
// what they give, since those above know columns by their places too; but it is NULL there.

/// Which group column of an aggregation is the whole row; nullopt: none.
[[nodiscard]] std::optional<duckdb::idx_t> whole_row_of(const duckdb::LogicalAggregate& op);
/// Takes the reference to the whole row; nullptr: there is none.
[[nodiscard]] duckdb::unique_ptr<duckdb::Expression> take_whole_row(duckdb::LogicalDistinct& op);
[[nodiscard]] duckdb::unique_ptr<duckdb::Expression> take_whole_row(
    duckdb::BoundWindowExpression& session);
/// The place that a reference means among the columns of an operator.
[[nodiscard]] std::optional<duckdb::idx_t> place_of(const duckdb::Expression* reference,
                                                    duckdb::LogicalOperator& op);

/// Gives late rows out, on one thread.
class LateWriter {
 public:
  explicit LateWriter(RunContext& run) : run_(run) {}
  /// Some rows of a chunk, by the column that has them whole.
  void write(duckdb::Vector& whole_rows, const duckdb::SelectionVector& late, duckdb::idx_t count);
  void finish();

 private:
  RunContext& run_;
  std::unique_ptr<SinkWriter> writer_;  // made with the first row
  ColumnViews views_;
};

}  // namespace millrace::sql
