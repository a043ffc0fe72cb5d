// A stream joined with a table that is looked up: what a row of the stream needs of it is found by
// its key, chunk by chunk, and the rows go on at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/run_context.h"
#include "sql/lookup_table.h"

namespace millrace::sql {

/// A filter or projection between the scan of the table and the join. It sees the rows that were
/// found, before they are joined.
struct LookupStep {
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions;  // of what is below
  bool is_filter = false;
  std::vector<duckdb::idx_t> kept;  // of a filter: its columns below that go on
  duckdb::vector<duckdb::LogicalType> types;
};

/// What is joined, and how. Expressions refer to columns by their place.
struct LookupJoin {
  /// INNER, LEFT, SEMI, ANTI, MARK or SINGLE; the stream is the left side.
  duckdb::JoinType type = duckdb::JoinType::INNER;
  bool marks_null = true;  // of a MARK join: a stream's NULL gives NULL, not false
  std::shared_ptr<Input> input;
  /// Of the scan: which column of the table each of its columns is; DConstants::INVALID_INDEX: only
  /// the number of rows matters.
  std::vector<duckdb::idx_t> columns;
  duckdb::vector<duckdb::LogicalType> types;  // of these
  /// For each column of the key, in its order and types; of a row of the stream.
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> keys;
  std::vector<LookupStep> steps;  // bottom up
  /// What else must be true of a row of the stream, followed by one of the last step; null:
  /// nothing.
  duckdb::unique_ptr<duckdb::Expression> condition;
  /// Which of these columns the result has: those of the stream come first.
  std::vector<duckdb::idx_t> outputs;

  [[nodiscard]] const duckdb::vector<duckdb::LogicalType>& found_types() const {
    return steps.empty() ? types : steps.back().types;
  }
};

/// Takes the place of a join. Made by replace_lookups().
class LogicalLookupJoin final : public duckdb::LogicalExtensionOperator {
 public:
  /// `bindings` and `result` are those of the join, `text` says what it does.
  LogicalLookupJoin(duckdb::unique_ptr<duckdb::LogicalOperator> stream, LookupJoin join,
                    duckdb::vector<duckdb::ColumnBinding> bindings,
                    duckdb::vector<duckdb::LogicalType> result, std::string text, RunContext& run);

  [[nodiscard]] const std::string& table() const noexcept { return join_->input->declared->name; }

  duckdb::vector<duckdb::ColumnBinding> GetColumnBindings() override { return bindings_; }
  std::string GetName() const override { return "LOOKUP_JOIN"; }
  duckdb::InsertionOrderPreservingMap<duckdb::string> ParamsToString() const override;
  std::string GetExtensionName() const override { return "millrace"; }
  bool SupportSerialization() const override { return false; }
  duckdb::PhysicalOperator& CreatePlan(duckdb::ClientContext& context,
                                       duckdb::PhysicalPlanGenerator& planner) override;

 protected:
  void ResolveTypes() override { types = result_; }

 private:
  std::shared_ptr<const LookupJoin> join_;  // shared with the physical operator
  duckdb::vector<duckdb::ColumnBinding> bindings_;
  duckdb::vector<duckdb::LogicalType> result_;
  std::string text_;
  RunContext& run_;
};

[[nodiscard]] bool is_lookup_join(const duckdb::PhysicalOperator& op);

}  // namespace millrace::sql
