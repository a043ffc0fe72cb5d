#include "sql/internal/operators/session.h"

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "base/strings.h"
#include "sql/internal/late_rows.h"
#include "sql/internal/state/session_state.h"
#include "sql/internal/windows.h"

namespace millrace::sql {

namespace {

using duckdb::ClientContext;
using duckdb::DataChunk;
using duckdb::ExecutionContext;
using duckdb::idx_t;
using duckdb::LogicalType;

struct SessionLocalSink final : duckdb::LocalSinkState {
  explicit SessionLocalSink(RunContext& run) : late(run) {}
  LateWriter late;
  duckdb::SelectionVector late_rows{STANDARD_VECTOR_SIZE};
  std::int64_t absorbed = 0;
};

/// Rows of sessions that are closed, or of all, block by block.
struct SessionSource final : duckdb::GlobalSourceState {
  std::vector<SessionState::SessionRow> rows;
  bool closed = true;
  std::size_t next = 0;
};

/// The operator: a sink for rows, and a source of those whose session is closed.
class PhysicalSession final : public duckdb::PhysicalOperator {
 public:
  PhysicalSession(duckdb::PhysicalPlan& plan, duckdb::vector<LogicalType> types, idx_t cardinality,
                  RunContext& run, SessionState& state, std::vector<bool> ends,
                  std::optional<idx_t> hidden)
      : PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types),
                         cardinality),
        run_(run),
        state_(state),
        ends_(std::move(ends)),
        hidden_(hidden) {}

  std::string GetName() const override { return "SESSION"; }

  bool IsSink() const override { return true; }
  bool ParallelSink() const override { return true; }
  duckdb::unique_ptr<duckdb::LocalSinkState> GetLocalSinkState(
      ExecutionContext& /*context*/) const override {
    return duckdb::make_uniq<SessionLocalSink>(run_);
  }
  duckdb::SinkResultType Sink(ExecutionContext& /*context*/, DataChunk& chunk,
                              duckdb::OperatorSinkInput& input) const override {
    auto& local = input.local_state.Cast<SessionLocalSink>();
    const idx_t timely = state_.add(chunk, local.late_rows);
    local.absorbed += static_cast<std::int64_t>(timely);
    if (state_.layout().gives_late) {
      local.late.write(chunk.data.back(), local.late_rows, chunk.size() - timely);
    }
    return duckdb::SinkResultType::NEED_MORE_INPUT;
  }
  duckdb::SinkCombineResultType Combine(ExecutionContext& /*context*/,
                                        duckdb::OperatorSinkCombineInput& input) const override {
    auto& local = input.local_state.Cast<SessionLocalSink>();
    local.late.finish();
    run_.absorbed += std::exchange(local.absorbed, 0);
    return duckdb::SinkCombineResultType::FINISHED;
  }

  bool IsSource() const override { return true; }
  duckdb::OrderPreservationType SourceOrder() const override {
    return duckdb::OrderPreservationType::NO_ORDER;
  }
  duckdb::unique_ptr<duckdb::GlobalSourceState> GetGlobalSourceState(
      ClientContext& context) const override {
    auto source = duckdb::make_uniq<SessionSource>();
    if (run_.mode == Run::held) {
      source->rows = state_.open_rows();
      source->closed = false;
    } else if (completes_input(run_.mode)) {
      const std::int64_t bound = state_.bound().evaluate(context);
      if (bound != kIdle) {
        state_.advance(bound);
      }
      source->rows = state_.close(state_.watermark());
    }
    return source;
  }

 protected:
  duckdb::SourceResultType GetDataInternal(ExecutionContext& /*context*/, DataChunk& chunk,
                                           duckdb::OperatorSourceInput& input) const override {
    auto& source = input.global_state.Cast<SessionSource>();
    if (source.next == source.rows.size()) {
      if (source.closed) {
        state_.forget(source.rows);
      }
      source.rows.clear();
      source.next = 0;
      return duckdb::SourceResultType::FINISHED;
    }
    const std::uint64_t number = source.rows[source.next].place.block;
    duckdb::SelectionVector selected(STANDARD_VECTOR_SIZE);
    const idx_t columns = chunk.ColumnCount() - ends_.size();
    idx_t n = 0;
    for (; source.next < source.rows.size() && source.rows[source.next].place.block == number;
         ++source.next, ++n) {
      const auto& row = source.rows[source.next];
      selected.set_index(n, row.place.row);
      for (idx_t e = 0; e < ends_.size(); ++e) {
        duckdb::FlatVector::GetData<std::int64_t>(chunk.data[columns + e])[n] =
            ends_[e] ? row.last + state_.layout().gap_us : row.first;
      }
    }
    const auto& block = state_.block(number);
    idx_t kept = state_.layout().keys + 1;
    for (idx_t c = 0; c < columns; ++c) {
      if (c == hidden_) {
        chunk.data[c].Reference(duckdb::Value(chunk.data[c].GetType()));
      } else {  // a copy: the block does not outlive the run
        duckdb::VectorOperations::Copy(block.data[kept++], chunk.data[c], selected, n, 0, 0);
      }
    }
    chunk.SetCardinality(n);
    run_.emitted.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed);
    run_.released.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed);
    return duckdb::SourceResultType::HAVE_MORE_OUTPUT;
  }

 private:
  RunContext& run_;
  SessionState& state_;
  std::vector<bool> ends_;
  std::optional<idx_t> hidden_;  // a column that is not kept: the whole row
};

const duckdb::BoundWindowExpression* session_call(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_WINDOW) {
    return nullptr;
  }
  const auto& call = expression.Cast<duckdb::BoundWindowExpression>();
  return call.aggregate != nullptr && is_session_function(call.aggregate->name) ? &call : nullptr;
}

}  // namespace

bool is_session(const duckdb::LogicalOperator& op) {
  if (op.type != duckdb::LogicalOperatorType::LOGICAL_WINDOW) {
    return false;
  }
  return !op.expressions.empty() && std::ranges::all_of(op.expressions, [](const auto& expression) {
    return session_call(*expression) != nullptr;
  });
}

bool is_session_end(const duckdb::Expression& expression) {
  const auto* call = session_call(expression);
  return call != nullptr && call->aggregate->name == kSessionEnd;
}

LogicalSession::LogicalSession(duckdb::unique_ptr<duckdb::LogicalOperator> window, TimeBound bound,
                               RunContext& run)
    : window_index_(window->Cast<duckdb::LogicalWindow>().window_index),
      bound_(std::move(bound)),
      run_(run) {
  for (const auto& expression : window->expressions) {
    ends_.push_back(is_session_end(*expression));
  }
  auto& call = window->expressions[0]->Cast<duckdb::BoundWindowExpression>();
  gap_us_ = session_gap_us(call);
  expressions = std::move(call.partitions);
  expressions.push_back(std::move(call.children[0]));
  children = std::move(window->children);
  whole_row_ = place_of(take_whole_row(call).get(), *children[0]);
  SetEstimatedCardinality(window->estimated_cardinality);
}

std::string LogicalSession::state_keys() const {
  std::string keys;
  for (std::size_t i = 0; i + 1 < expressions.size(); ++i) {
    keys += (keys.empty() ? "" : ", ") + expressions[i]->GetName();
  }
  return keys;
}

std::string LogicalSession::state_text() const {
  const std::string keys = state_keys();
  return fmt::format("rows of open sessions{}{}, gap {}", keys.empty() ? "" : " by ", keys,
                     human_duration(std::chrono::microseconds(gap_us_)));
}

std::string LogicalSession::state_schema() const {
  std::string text = fmt::format("session {} us", gap_us_);
  for (const auto& expression : expressions) {
    text += fmt::format(", {} {}", expression->ToString(), expression->return_type.ToString());
  }
  for (idx_t c = 0; c < children[0]->types.size(); ++c) {
    text += c == whole_row_ ? "" : ", " + children[0]->types[c].ToString();
  }
  return text;
}

duckdb::vector<duckdb::ColumnBinding> LogicalSession::GetColumnBindings() {
  auto bindings = children[0]->GetColumnBindings();
  for (idx_t i = 0; i < ends_.size(); ++i) {
    bindings.emplace_back(window_index_, i);
  }
  return bindings;
}

void LogicalSession::ResolveTypes() {
  types = children[0]->types;
  types.resize(types.size() + ends_.size(), expressions.back()->return_type);
}

duckdb::PhysicalOperator& LogicalSession::CreatePlan(ClientContext& /*context*/,
                                                     duckdb::PhysicalPlanGenerator& planner) {
  std::reference_wrapper<duckdb::PhysicalOperator> child = planner.CreatePlan(*children[0]);
  SessionState::Layout layout;
  layout.keys = expressions.size() - 1;
  layout.gap_us = gap_us_;
  auto columns = std::move(expressions);
  for (const auto& column : columns) {
    layout.types.push_back(column->return_type);
  }
  const auto add = [&](idx_t c) {
    columns.push_back(duckdb::make_uniq<duckdb::BoundReferenceExpression>(types[c], c));
  };
  for (idx_t c = 0; c + ends_.size() < types.size(); ++c) {
    if (c != whole_row_) {
      layout.types.push_back(types[c]);
      add(c);
    }
  }
  auto projected = layout.types;
  if (whole_row_) {
    layout.gives_late = true;
    projected.push_back(types[*whole_row_]);
    add(*whole_row_);
  }
  auto& projection = planner.Make<duckdb::PhysicalProjection>(
      std::move(projected), std::move(columns), estimated_cardinality);
  projection.children.push_back(child.get());
  run_.sessions.push_back(std::make_unique<SessionState>(std::move(layout)));
  SessionState& state = *run_.sessions.back();
  state.close_by(bound_);
  auto& result =
      planner.Make<PhysicalSession>(types, estimated_cardinality, run_, state, ends_, whole_row_);
  result.children.push_back(projection);
  return result;
}

}  // namespace millrace::sql
