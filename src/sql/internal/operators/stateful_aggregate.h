// Grouped aggregation that keeps its state from batch to batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sql/internal/closing_times.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/operators/stateful.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Takes the place of a LogicalAggregate over a stream in an optimized plan.
class LogicalStatefulAggregate final : public LogicalStateful {
 public:
  LogicalStatefulAggregate(duckdb::unique_ptr<duckdb::LogicalOperator> aggregate, RunContext& run,
                           const ClosingTimes::Windows* windows);

  [[nodiscard]] const duckdb::LogicalAggregate& aggregate() const noexcept { return *aggregate_; }
  /// The group column that is the window; nullopt: groups are kept for good.
  [[nodiscard]] std::optional<duckdb::idx_t> window() const {
    return windows_ ? std::optional(windows_->column) : std::nullopt;
  }
  /// How many groups there are but for the one that only carries whole rows.
  [[nodiscard]] std::size_t group_count() const {
    return aggregate_->groups.size() - (whole_row_ ? 1 : 0);
  }
  /// What it gives goes into other state: only what is final may.
  void set_below() noexcept { below_ = true; }
  [[nodiscard]] bool is_below() const noexcept { return below_; }
  [[nodiscard]] std::string state_text() const override;
  [[nodiscard]] std::string state_keys() const override;
  [[nodiscard]] std::string state_schema() const override;

  duckdb::vector<duckdb::ColumnBinding> GetColumnBindings() override;
  duckdb::vector<duckdb::idx_t> GetTableIndex() const override;
  std::string GetName() const override { return "STATEFUL_AGGREGATE"; }
  duckdb::InsertionOrderPreservingMap<duckdb::string> ParamsToString() const override;
  void ResolveColumnBindings(duckdb::ColumnBindingResolver& resolver,
                             duckdb::vector<duckdb::ColumnBinding>& bindings) override;
  duckdb::PhysicalOperator& CreatePlan(duckdb::ClientContext& context,
                                       duckdb::PhysicalPlanGenerator& planner) override;

 protected:
  void ResolveTypes() override;

 private:
  duckdb::unique_ptr<duckdb::LogicalAggregate> aggregate_;
  std::optional<duckdb::idx_t> whole_row_;  // a group column; none: late rows are not given out
  RunContext& run_;
  std::optional<ClosingTimes::Windows> windows_;
  bool below_ = false;
};

/// The operator: a parallel sink that updates the state, then a parallel source that gives groups.
/// Its input has the group columns first, then the payload (see GroupSpec).
class PhysicalStatefulAggregate final : public duckdb::PhysicalOperator {
 public:
  /// One grouping set and its state.
  struct Set {
    duckdb::vector<duckdb::idx_t> columns;  // of the input; empty: a global aggregate
    GroupState* state = nullptr;
    std::vector<std::int64_t> grouping_values;  // what each GROUPING() call gives
  };
  struct Layout {
    duckdb::idx_t group_columns = 0;
    duckdb::vector<duckdb::LogicalType> payload_types;
    std::vector<Set> sets;
    std::optional<duckdb::idx_t> whole_row;  // the group column to give late rows out by
    bool below = false;  // gives out closed windows only, whatever the run is for
    /// The calls that the specs of all sets point at.
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> calls;
  };

  PhysicalStatefulAggregate(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                            duckdb::idx_t cardinality, RunContext& run, Layout layout);

  std::string GetName() const override { return "STATEFUL_AGGREGATE"; }

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
