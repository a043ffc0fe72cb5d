#include "sql/internal/operators/row_counter.h"

#include <utility>

namespace millrace::sql {

namespace {

using duckdb::DataChunk;
using duckdb::LogicalOperator;
using duckdb::PhysicalOperator;

class PhysicalRowCounter final : public PhysicalOperator {
 public:
  PhysicalRowCounter(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                     duckdb::idx_t cardinality, RowCounter& counter)
      : PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types),
                         cardinality),
        counter_(counter) {}

  std::string GetName() const override { return "COUNT_ROWS"; }
  bool ParallelOperator() const override { return true; }

  duckdb::OperatorResultType Execute(duckdb::ExecutionContext& /*context*/, DataChunk& input,
                                     DataChunk& chunk, duckdb::GlobalOperatorState& /*global*/,
                                     duckdb::OperatorState& /*state*/) const override {
    counter_.rows.fetch_add(static_cast<std::int64_t>(input.size()), std::memory_order_relaxed);
    chunk.Reference(input);
    return duckdb::OperatorResultType::NEED_MORE_INPUT;
  }

 private:
  RowCounter& counter_;
};

class LogicalRowCounter final : public duckdb::LogicalExtensionOperator {
 public:
  LogicalRowCounter(duckdb::unique_ptr<LogicalOperator> child, RowCounter& counter)
      : counter_(counter) {
    SetEstimatedCardinality(child->estimated_cardinality);
    children.push_back(std::move(child));
  }

  [[nodiscard]] RowCounter& counter() const noexcept { return counter_; }

  duckdb::vector<duckdb::ColumnBinding> GetColumnBindings() override {
    return children[0]->GetColumnBindings();
  }
  std::string GetName() const override { return "COUNT_ROWS"; }
  std::string GetExtensionName() const override { return "millrace"; }
  bool SupportSerialization() const override { return false; }

  PhysicalOperator& CreatePlan(duckdb::ClientContext& /*context*/,
                               duckdb::PhysicalPlanGenerator& planner) override {
    PhysicalOperator& child = planner.CreatePlan(*children[0]);
    PhysicalOperator& counting =
        planner.Make<PhysicalRowCounter>(types, estimated_cardinality, counter_);
    counting.children.push_back(child);
    return counting;
  }

 protected:
  void ResolveTypes() override { types = children[0]->types; }

 private:
  RowCounter& counter_;
};

}  // namespace

RowCounter& count_rows(RunContext& run, duckdb::unique_ptr<LogicalOperator>& slot) {
  if (const auto* present = dynamic_cast<const LogicalRowCounter*>(slot.get())) {
    return present->counter();
  }
  RowCounter& counter = run.counters.emplace_back();
  slot = duckdb::make_uniq<LogicalRowCounter>(std::move(slot), counter);
  slot->ResolveOperatorTypes();
  return counter;
}

bool is_row_counter(const PhysicalOperator& op) {
  return dynamic_cast<const PhysicalRowCounter*>(&op) != nullptr;
}

}  // namespace millrace::sql
