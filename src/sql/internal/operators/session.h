// FROM session(stream, time, gap, key...): rows with the session that they belong to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"
#include "sql/internal/operators/stateful.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Takes the place of the LogicalWindow with the calls of session_start() and session_end() that
/// FROM session(...) stands for (windows.h). Rows come out when their session is closed.
class LogicalSession final : public LogicalStateful {
 public:
  LogicalSession(duckdb::unique_ptr<duckdb::LogicalOperator> window, TimeBound bound,
                 RunContext& run);

  [[nodiscard]] std::string state_text() const override;
  [[nodiscard]] std::string state_keys() const override;
  [[nodiscard]] std::string state_schema() const override;

  duckdb::vector<duckdb::ColumnBinding> GetColumnBindings() override;
  duckdb::vector<duckdb::idx_t> GetTableIndex() const override { return {window_index_}; }
  std::string GetName() const override { return "SESSION"; }
  duckdb::PhysicalOperator& CreatePlan(duckdb::ClientContext& context,
                                       duckdb::PhysicalPlanGenerator& planner) override;

 protected:
  void ResolveTypes() override;

 private:
  // `expressions`: the key, then the time.
  duckdb::idx_t window_index_;
  std::vector<bool> ends_;
  std::int64_t gap_us_ = 0;
  TimeBound bound_;
  RunContext& run_;
  std::optional<duckdb::idx_t> whole_row_;  // the child's column; none: late rows are not given out
};

/// Whether a window operator stands for sessions.
[[nodiscard]] bool is_session(const duckdb::LogicalOperator& op);
/// Whether a window expression is the end of a session.
[[nodiscard]] bool is_session_end(const duckdb::Expression& expression);

}  // namespace millrace::sql
