#include "sql/internal/operators/lookup_join.h"

#include <fmt/format.h>

#include <utility>

#include "sql/internal/lookup_table.h"

namespace millrace::sql {

namespace {

using duckdb::DataChunk;
using duckdb::ExpressionExecutor;
using duckdb::idx_t;
using duckdb::JoinType;
using duckdb::OperatorResultType;
using duckdb::PhysicalOperator;
using duckdb::SelectionVector;

/// Rows that were found on their way through a step, and what computes it.
struct StepState {
  StepState(duckdb::ClientContext& context, const LookupStep& step)
      : executor(context, step.expressions) {
    if (step.is_filter) {
      chunk.InitializeEmpty(step.types);
    } else {
      chunk.Initialize(duckdb::Allocator::Get(context), step.types);
    }
  }
  ExpressionExecutor executor;
  DataChunk chunk;
  SelectionVector selected{STANDARD_VECTOR_SIZE};  // of a filter: the chunk refers to it
};

/// One thread's rows of a chunk of the stream, and how far they were joined.
class JoinState final : public duckdb::OperatorState {
 public:
  JoinState(duckdb::ClientContext& context, const LookupJoin& join,
            const duckdb::vector<duckdb::LogicalType>& stream)
      : join_(join),
        table_(join.input->declared->lookup->impl()),
        key_executor_(context, join.keys),
        pairs_(STANDARD_VECTOR_SIZE),
        selected_(STANDARD_VECTOR_SIZE) {
    auto& allocator = duckdb::Allocator::Get(context);
    keys_.Initialize(allocator, table_.key_types);
    rows_.Initialize(allocator, join.types);
    for (const LookupStep& step : join.steps) {
      steps_.push_back(std::make_unique<StepState>(context, step));
    }
    auto pair_types = stream;
    pair_types.insert(pair_types.end(), join.found_types().begin(), join.found_types().end());
    pair_chunk_.InitializeEmpty(pair_types);
    if (join.condition != nullptr) {
      condition_ = std::make_unique<ExpressionExecutor>(context, *join.condition);
    }
    targets_.assign(table_.types.size(), nullptr);
    for (idx_t c = 0; c < join.columns.size(); ++c) {
      if (join.columns[c] != duckdb::DConstants::INVALID_INDEX) {
        targets_[join.columns[c]] = &rows_.data[c];
      }
    }
  }

  OperatorResultType next(DataChunk& stream, DataChunk& result) {
    if (!begun_) {
      begin(stream);
    }
    const bool gives_pairs = join_.type == JoinType::INNER || join_.type == JoinType::LEFT ||
                             join_.type == JoinType::SINGLE;
    while (row_ < stream.size()) {
      const idx_t count = join_pairs(stream);
      if (gives_pairs && count > 0) {
        for (idx_t c = 0; c < join_.outputs.size(); ++c) {
          result.data[c].Reference(pair_chunk_.data[join_.outputs[c]]);
        }
        result.SetCardinality(count);
        return OperatorResultType::HAVE_MORE_OUTPUT;
      }
    }
    begun_ = false;
    finish(stream, result);
    return OperatorResultType::NEED_MORE_INPUT;
  }

 private:
  void begin(DataChunk& stream) {
    keys_.Reset();
    key_executor_.Execute(stream, keys_);
    table_.find(keys_, found_);
    matched_.assign(stream.size(), false);
    row_ = 0;
    rows_of_key_ = 0;
    begun_ = true;
    skip_to_found();
  }

  /// To the next row of the stream whose key has rows.
  void skip_to_found() {
    while (row_ < found_.size() && (found_[row_] == nullptr || found_[row_]->rows == 0)) {
      ++row_;
    }
    if (row_ < found_.size()) {
      at_ = found_[row_]->bytes.data();
    }
  }

  /// The next pairs, as many as a chunk has, in pair_chunk_ as far as they go together.
  idx_t join_pairs(DataChunk& stream) {
    rows_.Reset();
    idx_t count = 0;
    for (; count < STANDARD_VECTOR_SIZE && row_ < found_.size(); ++count) {
      at_ = table_.read_row(at_, targets_, count);
      pairs_.set_index(count, row_);
      if (++rows_of_key_ == found_[row_]->rows) {
        rows_of_key_ = 0;
        ++row_;
        skip_to_found();
      }
    }
    rows_.SetCardinality(count);
    join_.input->scanned.fetch_add(static_cast<std::int64_t>(count), std::memory_order_relaxed);
    DataChunk* found = &rows_;
    for (std::size_t i = 0; i < steps_.size() && count > 0; ++i) {
      count = run_step(join_.steps[i], *steps_[i], *found);
      found = &steps_[i]->chunk;
    }
    return count == 0 ? 0 : select_pairs(stream, *found, count);
  }

  idx_t run_step(const LookupStep& step, StepState& state, DataChunk& below) {
    if (!step.is_filter) {
      state.chunk.Reset();
      state.executor.Execute(below, state.chunk);
      return state.chunk.size();
    }
    const idx_t count = state.executor.SelectExpression(below, state.selected);
    for (idx_t c = 0; c < step.kept.size(); ++c) {
      state.chunk.data[c].Slice(below.data[step.kept[c]], state.selected, count);
    }
    state.chunk.SetCardinality(count);
    keep_pairs(state.selected, count);
    return count;
  }

  void keep_pairs(const SelectionVector& selected, idx_t count) {
    for (idx_t i = 0; i < count; ++i) {
      pairs_.set_index(i, pairs_.get_index(selected.get_index(i)));
    }
  }

  void show_pairs(DataChunk& stream, DataChunk& found, idx_t count, bool selected) {
    for (idx_t c = 0; c < stream.ColumnCount(); ++c) {
      pair_chunk_.data[c].Slice(stream.data[c], pairs_, count);
    }
    for (idx_t c = 0; c < found.ColumnCount(); ++c) {
      auto& to = pair_chunk_.data[stream.ColumnCount() + c];
      if (selected) {
        to.Slice(found.data[c], selected_, count);
      } else {
        to.Reference(found.data[c]);
      }
    }
    pair_chunk_.SetCardinality(count);
  }

  idx_t select_pairs(DataChunk& stream, DataChunk& found, idx_t count) {
    show_pairs(stream, found, count, false);
    if (condition_ != nullptr) {
      count = condition_->SelectExpression(pair_chunk_, selected_);
      keep_pairs(selected_, count);
      show_pairs(stream, found, count, true);
    }
    for (idx_t i = 0; i < count; ++i) {
      const idx_t row = pairs_.get_index(i);
      if (join_.type == JoinType::SINGLE && matched_[row]) {
        throw Error(Blame::user,
                    fmt::format("a subquery that stands for one value finds several rows of {}; "
                                "use max() or LEFT JOIN",
                                table_.name));
      }
      matched_[row] = true;
    }
    return count;
  }

  /// What the rows of the stream give that can only be told once all pairs are known.
  void finish(DataChunk& stream, DataChunk& result) {
    if (join_.type == JoinType::INNER) {
      return;
    }
    if (join_.type == JoinType::MARK) {
      give_marks(stream, result);
      return;
    }
    const bool wanted = join_.type == JoinType::SEMI;
    idx_t count = 0;
    for (idx_t row = 0; row < stream.size(); ++row) {
      if (matched_[row] == wanted) {
        pairs_.set_index(count++, row);
      }
    }
    if (count == 0) {
      return;
    }
    for (idx_t c = 0; c < join_.outputs.size(); ++c) {
      if (join_.outputs[c] < stream.ColumnCount()) {
        result.data[c].Slice(stream.data[join_.outputs[c]], pairs_, count);
      } else {
        result.data[c].Reference(duckdb::Value(result.data[c].GetType()));
      }
    }
    result.SetCardinality(count);
  }

  void give_marks(DataChunk& stream, DataChunk& result) {
    const idx_t marks = join_.outputs.size();  // the last column
    for (idx_t c = 0; c < marks; ++c) {
      result.data[c].Reference(stream.data[join_.outputs[c]]);
    }
    auto& mark = result.data[marks];
    mark.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (idx_t row = 0; row < stream.size(); ++row) {
      duckdb::FlatVector::GetData<bool>(mark)[row] = matched_[row];
      if (found_[row] == nullptr && join_.marks_null) {
        duckdb::FlatVector::SetNull(mark, row, true);
      }
    }
    result.SetCardinality(stream.size());
  }

  const LookupJoin& join_;
  LookupTable::Impl& table_;
  ExpressionExecutor key_executor_;
  DataChunk keys_;
  DataChunk rows_;  // those that were found, one for each pair
  std::vector<duckdb::Vector*> targets_;
  std::vector<std::unique_ptr<StepState>> steps_;
  DataChunk pair_chunk_;  // the stream's columns, and those of the last step
  std::unique_ptr<ExpressionExecutor> condition_;
  SelectionVector pairs_;     // of each pair, the row of the stream
  SelectionVector selected_;  // those of them for which the condition is true

  bool begun_ = false;
  std::vector<Found> found_;   // by row of the stream
  std::vector<bool> matched_;  // the same
  idx_t row_ = 0;
  std::int64_t rows_of_key_ = 0;  // that were taken already
  const char* at_ = nullptr;      // the next of them
};

class PhysicalLookupJoin final : public PhysicalOperator {
 public:
  PhysicalLookupJoin(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                     idx_t cardinality, std::shared_ptr<const LookupJoin> join,
                     duckdb::vector<duckdb::LogicalType> stream, RunContext& run)
      : PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types),
                         cardinality),
        join_(std::move(join)),
        stream_(std::move(stream)),
        run_(run) {}

  std::string GetName() const override { return "LOOKUP_JOIN"; }
  bool ParallelOperator() const override { return true; }

  duckdb::unique_ptr<duckdb::OperatorState> GetOperatorState(
      duckdb::ExecutionContext& context) const override {
    return duckdb::make_uniq<JoinState>(context.client, *join_, stream_);
  }
  OperatorResultType Execute(duckdb::ExecutionContext& /*context*/, DataChunk& input,
                             DataChunk& chunk, duckdb::GlobalOperatorState& /*global*/,
                             duckdb::OperatorState& state) const override {
    return run_.carrier.guard([&] { return state.Cast<JoinState>().next(input, chunk); });
  }

 private:
  std::shared_ptr<const LookupJoin> join_;
  duckdb::vector<duckdb::LogicalType> stream_;
  RunContext& run_;
};

}  // namespace

LogicalLookupJoin::LogicalLookupJoin(duckdb::unique_ptr<duckdb::LogicalOperator> stream,
                                     LookupJoin join,
                                     duckdb::vector<duckdb::ColumnBinding> bindings,
                                     duckdb::vector<duckdb::LogicalType> result, std::string text,
                                     RunContext& run)
    : join_(std::make_shared<const LookupJoin>(std::move(join))),
      bindings_(std::move(bindings)),
      result_(std::move(result)),
      text_(std::move(text)),
      run_(run) {
  children.push_back(std::move(stream));
}

duckdb::InsertionOrderPreservingMap<duckdb::string> LogicalLookupJoin::ParamsToString() const {
  duckdb::InsertionOrderPreservingMap<duckdb::string> text;
  text["Table"] = table();
  text["Join Type"] = duckdb::JoinTypeToString(join_->type);
  text["Conditions"] = text_;
  return text;
}

PhysicalOperator& LogicalLookupJoin::CreatePlan(duckdb::ClientContext& /*context*/,
                                                duckdb::PhysicalPlanGenerator& planner) {
  const auto stream = children[0]->types;
  PhysicalOperator& child = planner.CreatePlan(*children[0]);
  PhysicalOperator& joining =
      planner.Make<PhysicalLookupJoin>(types, estimated_cardinality, join_, stream, run_);
  joining.children.push_back(child);
  return joining;
}

bool is_lookup_join(const PhysicalOperator& op) {
  return dynamic_cast<const PhysicalLookupJoin*>(&op) != nullptr;
}

}  // namespace millrace::sql
