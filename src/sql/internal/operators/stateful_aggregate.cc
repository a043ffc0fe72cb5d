#include "sql/internal/operators/stateful_aggregate.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "sql/internal/operators/aggregate_sink.h"

namespace millrace::sql {

namespace {

using duckdb::ClientContext;
using duckdb::data_ptr_t;
using duckdb::DataChunk;
using duckdb::ExecutionContext;
using duckdb::idx_t;
using Set = PhysicalStatefulAggregate::Set;

struct AggregateGlobalSink final : duckdb::GlobalSinkState {
  std::atomic<idx_t> scans = 0;  // threads that give rows
};

struct AggregateLocalSink final : duckdb::LocalSinkState {
  AggregateLocalSink(ClientContext& context, const PhysicalStatefulAggregate::Layout& layout,
                     RunContext& run)
      : sink(context, layout, run) {}
  SharedAggregateSink sink;
};

/// Up to one vector of groups to give out.
struct Portion {
  const Set* set;
  const StateTable* table;
  const data_ptr_t* rows;
  idx_t count;
};

// A thread is worth starting for so many portions.
constexpr idx_t kPortionsPerThread = 32;

struct AggregateGlobalSource final : duckdb::GlobalSourceState {
  std::vector<Portion> portions;
  std::deque<TouchList::Rows> gathered;  // of several windows
  std::atomic<idx_t> next = 0;

  /// The living groups of a table, or those of them that this batch touched.
  void add_groups(const Set& set, const StateTable& table, bool all) {
    TouchList::Rows& some = gathered.emplace_back();
    table.visit(all, [&](const data_ptr_t* rows, const Window* /*ends*/, idx_t count) {
      some.insert(some.end(), rows, rows + count);
    });
    add(set, table, some);
  }
  /// The rows of a table's windows before `bound` (of all, if there is none), or those of them that
  /// this batch touched.
  void add_windows(const Set& set, const StateTable& table, bool all, std::optional<Window> bound) {
    if (table.lifetimes() != nullptr) {
      add_groups(set, table, all);
      return;
    }
    const auto& windows = table.touch().windows();
    const auto end = bound ? windows.lower_bound(*bound) : windows.end();
    const auto rows_of = [all](const TouchList::Lists& lists) -> const TouchList::Rows& {
      return all ? lists.rows : lists.touched;
    };
    if (windows.size() == 1 && end == windows.end()) {
      add(set, table, rows_of(windows.begin()->second));
      return;
    }
    TouchList::Rows& some = gathered.emplace_back();
    for (auto window = windows.begin(); window != end; ++window) {
      const auto& rows = rows_of(window->second);
      some.insert(some.end(), rows.begin(), rows.end());
    }
    add(set, table, some);
  }
  void add(const Set& set, const StateTable& table, const TouchList::Rows& rows) {
    for (idx_t begin = 0; begin < rows.size(); begin += STANDARD_VECTOR_SIZE) {
      const idx_t count = std::min<idx_t>(STANDARD_VECTOR_SIZE, rows.size() - begin);
      portions.push_back({&set, &table, &rows[begin], count});
    }
  }
  idx_t MaxThreads() override { return (portions.size() / kPortionsPerThread) + 1; }
};

struct AggregateLocalSource final : duckdb::LocalSourceState {
  explicit AggregateLocalSource(ClientContext& context) : memory(duckdb::Allocator::Get(context)) {}
  duckdb::ArenaAllocator memory;  // for results being made
};

}  // namespace

PhysicalStatefulAggregate::PhysicalStatefulAggregate(duckdb::PhysicalPlan& plan,
                                                     duckdb::vector<duckdb::LogicalType> types,
                                                     idx_t cardinality, RunContext& run,
                                                     Layout layout)
    : PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types),
                       cardinality),
      run_(run),
      layout_(std::move(layout)) {}

duckdb::unique_ptr<duckdb::GlobalSinkState> PhysicalStatefulAggregate::GetGlobalSinkState(
    ClientContext& /*context*/) const {
  for (const Set& set : layout_.sets) {
    if (set.columns.empty()) {
      set.state->ensure_global_group();
    }
  }
  return duckdb::make_uniq<AggregateGlobalSink>();
}

duckdb::unique_ptr<duckdb::LocalSinkState> PhysicalStatefulAggregate::GetLocalSinkState(
    ExecutionContext& context) const {
  return duckdb::make_uniq<AggregateLocalSink>(context.client, layout_, run_);
}

duckdb::SinkResultType PhysicalStatefulAggregate::Sink(ExecutionContext& /*context*/,
                                                       DataChunk& chunk,
                                                       duckdb::OperatorSinkInput& input) const {
  input.local_state.Cast<AggregateLocalSink>().sink.add(
      chunk, input.global_state.Cast<AggregateGlobalSink>().scans);
  return duckdb::SinkResultType::NEED_MORE_INPUT;
}

duckdb::SinkCombineResultType PhysicalStatefulAggregate::Combine(
    ExecutionContext& /*context*/, duckdb::OperatorSinkCombineInput& input) const {
  input.local_state.Cast<AggregateLocalSink>().sink.finish();
  return duckdb::SinkCombineResultType::FINISHED;
}

duckdb::unique_ptr<duckdb::GlobalSourceState> PhysicalStatefulAggregate::GetGlobalSourceState(
    ClientContext& /*context*/) const {
  auto global = duckdb::make_uniq<AggregateGlobalSource>();
  const bool final_only = layout_.below && completes_input(run_.mode) && run_.mode != Run::held;
  const Run mode = final_only ? Run::finish : run_.mode;
  for (const Set& set : layout_.sets) {
    if (mode == Run::update) {
      for (const StateTable* table : set.state->active()) {
        global->add_windows(set, *table, /*all=*/false, std::nullopt);
      }
    } else if (completes_input(mode)) {
      const auto end =
          mode == Run::finish ? std::optional(set.state->closing_before()) : std::nullopt;
      for (const StateTable* table : set.state->tables()) {
        global->add_windows(set, *table, /*all=*/true, end);
      }
    }
  }
  return global;
}

duckdb::unique_ptr<duckdb::LocalSourceState> PhysicalStatefulAggregate::GetLocalSourceState(
    ExecutionContext& context, duckdb::GlobalSourceState& /*global*/) const {
  return duckdb::make_uniq<AggregateLocalSource>(context.client);
}

duckdb::SourceResultType PhysicalStatefulAggregate::GetDataInternal(
    ExecutionContext& /*context*/, DataChunk& chunk, duckdb::OperatorSourceInput& input) const {
  auto& global = input.global_state.Cast<AggregateGlobalSource>();
  auto& local = input.local_state.Cast<AggregateLocalSource>();
  const idx_t at = global.next.fetch_add(1, std::memory_order_relaxed);
  if (at >= global.portions.size()) {
    return duckdb::SourceResultType::FINISHED;
  }
  const Portion& portion = global.portions[at];
  const Set& set = *portion.set;
  for (idx_t c = 0; c < layout_.group_columns; ++c) {
    const auto found = std::ranges::find(set.columns, c);
    if (found == set.columns.end()) {  // not in this grouping set
      chunk.data[c].Reference(duckdb::Value(chunk.data[c].GetType()));
    } else {
      const auto g = static_cast<idx_t>(found - set.columns.begin());
      portion.table->gather_group(g, portion.rows, portion.count, chunk.data[c]);
    }
  }
  local.memory.Reset();
  portion.table->finalize(portion.rows, portion.count, local.memory, chunk, layout_.group_columns);
  const idx_t first_grouping = layout_.group_columns + layout_.calls.size();
  for (idx_t g = 0; g < set.grouping_values.size(); ++g) {
    chunk.data[first_grouping + g].Reference(duckdb::Value::BIGINT(set.grouping_values[g]));
  }
  chunk.SetCardinality(portion.count);
  const auto emitted = static_cast<std::int64_t>(portion.count);
  run_.emitted.fetch_add(emitted, std::memory_order_relaxed);
  run_.released.fetch_add(layout_.below ? emitted : 0, std::memory_order_relaxed);
  return duckdb::SourceResultType::HAVE_MORE_OUTPUT;
}

}  // namespace millrace::sql
