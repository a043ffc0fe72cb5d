#include "sql/internal/collector.h"

#include <utility>

#include "sql/internal/column_views.h"

namespace millrace::sql {

namespace {

using duckdb::ExecutionContext;

struct CollectorGlobal final : duckdb::GlobalSinkState {
  duckdb::ClientProperties properties;
};

/// One thread's way out.
struct CollectorLocal final : duckdb::LocalSinkState {
  std::unique_ptr<SinkWriter> writer;  // made with the first row: many threads have none
  ColumnViews views;
};

class ResultCollector final : public duckdb::PhysicalResultCollector {
 public:
  ResultCollector(duckdb::PreparedStatementData& data, RunContext& run)
      : PhysicalResultCollector(*data.physical_plan, data),
        run_(run),
        ordered_(duckdb::PhysicalPlanGenerator::OrderPreservationRecursive(plan) ==
                 duckdb::OrderPreservationType::FIXED_ORDER) {}

  // Rows of an ORDER BY come one after the other from one thread; all others in any order.
  bool ParallelSink() const override { return !ordered_; }

  duckdb::unique_ptr<duckdb::GlobalSinkState> GetGlobalSinkState(
      duckdb::ClientContext& context) const override {
    auto state = duckdb::make_uniq<CollectorGlobal>();
    state->properties = context.GetClientProperties();
    return state;
  }

  duckdb::unique_ptr<duckdb::LocalSinkState> GetLocalSinkState(
      ExecutionContext& /*context*/) const override {
    return duckdb::make_uniq<CollectorLocal>();
  }

  duckdb::SinkResultType Sink(ExecutionContext& /*context*/, duckdb::DataChunk& chunk,
                              duckdb::OperatorSinkInput& input) const override {
    // An absorbing run only feeds the state. What still comes out here (an aggregate over the
    // aggregate gives a row even for no input) is no result.
    if (run_.mode == Run::absorb || chunk.size() == 0) {
      return duckdb::SinkResultType::NEED_MORE_INPUT;
    }
    auto& local = input.local_state.Cast<CollectorLocal>();
    run_.carrier.guard([&] {
      if (local.writer == nullptr) {
        local.writer = run_.receiver->writer();
      }
      local.writer->write(local.views.of(chunk));
    });
    run_.out.fetch_add(static_cast<std::int64_t>(chunk.size()), std::memory_order_relaxed);
    return duckdb::SinkResultType::NEED_MORE_INPUT;
  }

  duckdb::SinkCombineResultType Combine(ExecutionContext& /*context*/,
                                        duckdb::OperatorSinkCombineInput& input) const override {
    auto& local = input.local_state.Cast<CollectorLocal>();
    if (local.writer != nullptr) {
      run_.carrier.guard([&] { local.writer->finish(); });
      local.writer.reset();
    }
    return duckdb::SinkCombineResultType::FINISHED;
  }

  duckdb::unique_ptr<duckdb::QueryResult> GetResult(duckdb::GlobalSinkState& state) const override {
    auto& global = state.Cast<CollectorGlobal>();
    auto nothing = duckdb::make_uniq<duckdb::ColumnDataCollection>(
        duckdb::Allocator::DefaultAllocator(), types);
    return duckdb::make_uniq<duckdb::MaterializedQueryResult>(
        statement_type, properties, names, std::move(nothing), global.properties);
  }

 private:
  RunContext& run_;
  bool ordered_;
};

}  // namespace

void use_collector(duckdb::ClientContext& context, RunContext& run) {
  duckdb::ClientConfig::GetConfig(context).get_result_collector =
      [&run](duckdb::ClientContext& /*context*/,
             duckdb::PreparedStatementData& data) -> duckdb::unique_ptr<duckdb::PhysicalOperator> {
    // DuckDB re-binds a statement when it thinks that the catalog changed: it would silently run
    // the original SQL, without our operators.
    if (data.physical_plan.get() != run.physical_plan) {
      throw duckdb::InvalidInputException("the plan was replaced by DuckDB before it ran");
    }
    return duckdb::make_uniq<ResultCollector>(data, run);
  };
}

}  // namespace millrace::sql
