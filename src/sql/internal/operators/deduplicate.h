// SELECT DISTINCT [ON (...)] over a stream: of rows with the same key, the first one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"
#include "sql/internal/operators/stateful.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Takes the place of a LogicalDistinct over a stream in an optimized plan.
///
/// A key is remembered until event time has gone on by the watermark's delay, so rows with the same
/// key must not be further apart than that. Without an event time, it is for the time to live, or
/// for good. Of several new rows with one key in a batch the one with the least event time counts;
/// among equals the choice is arbitrary, but the same whenever the batch runs.
class LogicalDeduplicate final : public LogicalStateful {
 public:
  /// `time`: the event time of the rows, a column of the child; nullptr: they have none.
  LogicalDeduplicate(duckdb::unique_ptr<duckdb::LogicalOperator> distinct,
                     duckdb::unique_ptr<duckdb::Expression> time, std::optional<TimeBound> bound,
                     RunContext& run);

  [[nodiscard]] std::string state_text() const override;
  [[nodiscard]] std::string state_keys() const override;
  [[nodiscard]] std::string state_schema() const override;
  [[nodiscard]] bool forgets() const noexcept { return bound_ || run_.state_ttl_us > 0; }

  duckdb::vector<duckdb::ColumnBinding> GetColumnBindings() override {
    return children[0]->GetColumnBindings();
  }
  std::string GetName() const override { return "DEDUPLICATE"; }
  duckdb::PhysicalOperator& CreatePlan(duckdb::ClientContext& context,
                                       duckdb::PhysicalPlanGenerator& planner) override;

 protected:
  void ResolveTypes() override { types = children[0]->types; }

 private:
  [[nodiscard]] std::size_t key_count() const noexcept {
    return expressions.size() - has_time() - (whole_row_ ? 1 : 0);
  }
  [[nodiscard]] std::size_t has_time() const noexcept { return bound_ ? 1 : 0; }

  // `expressions`: the key, then the event time, then the whole row.
  std::optional<TimeBound> bound_;
  std::optional<duckdb::idx_t> whole_row_;  // the child's column
  RunContext& run_;
};

/// The operator. Its input has the key first, then the event time (if there is one), then the rows,
/// then the whole rows of the stream (if late ones are given out).
class PhysicalDeduplicate final : public duckdb::PhysicalOperator {
 public:
  struct Layout {
    GroupState* state = nullptr;  // the keys
    NewRows* pending = nullptr;   // rows with a new key in this batch
    duckdb::idx_t keys = 0;
    bool has_time = false;
    bool gives_late = false;
    bool marks = false;         // duplicates are let through, and marked in the last column
    Window remembered_for = 0;  // in the unit of the time column
  };
  PhysicalDeduplicate(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                      duckdb::idx_t cardinality, RunContext& run, Layout layout);

  std::string GetName() const override { return "DEDUPLICATE"; }

  bool IsSink() const override { return true; }
  bool ParallelSink() const override { return true; }
  duckdb::unique_ptr<duckdb::GlobalSinkState> GetGlobalSinkState(
      duckdb::ClientContext& context) const override;
  duckdb::unique_ptr<duckdb::LocalSinkState> GetLocalSinkState(
      duckdb::ExecutionContext& context) const override;
  duckdb::SinkResultType Sink(duckdb::ExecutionContext& context, duckdb::DataChunk& chunk,
                              duckdb::OperatorSinkInput& input) const override;
  duckdb::SinkCombineResultType Combine(duckdb::ExecutionContext& context,
                                        duckdb::OperatorSinkCombineInput& input) const override;

  bool IsSource() const override { return true; }
  bool ParallelSource() const override { return true; }
  duckdb::OrderPreservationType SourceOrder() const override {
    return duckdb::OrderPreservationType::NO_ORDER;
  }
  duckdb::unique_ptr<duckdb::GlobalSourceState> GetGlobalSourceState(
      duckdb::ClientContext& context) const override;
  duckdb::unique_ptr<duckdb::LocalSourceState> GetLocalSourceState(
      duckdb::ExecutionContext& context, duckdb::GlobalSourceState& global) const override;

 protected:
  duckdb::SourceResultType GetDataInternal(duckdb::ExecutionContext& context,
                                           duckdb::DataChunk& chunk,
                                           duckdb::OperatorSourceInput& input) const override;

 private:
  RunContext& run_;
  Layout layout_;
};

}  // namespace millrace::sql
