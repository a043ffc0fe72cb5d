#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/log.h"
#include "base/strings.h"
#include "duckdb/execution/physical_plan_generator.hpp"
#include "duckdb/main/prepared_statement.hpp"
#include "duckdb/main/prepared_statement_data.hpp"
#include "duckdb/optimizer/optimizer.hpp"
#include "duckdb/planner/planner.hpp"
#include "sql/internal/batch.h"
#include "sql/internal/error.h"
#include "sql/internal/plan.h"
#include "sql/internal/read_query.h"
#include "sql/read_query.h"

namespace millrace::sql {

namespace {

/// Plans a statement for any values of its parameters; nullptr: each run needs a plan of its own,
/// such as of now(). DuckDB's Prepare() leaves planning to each run, which takes longer than to run
/// it: for the sake of what the values let a scan leave out, and our scans leave nothing out.
duckdb::unique_ptr<duckdb::PreparedStatement> plan_once(
    duckdb::Connection& connection, duckdb::unique_ptr<duckdb::SQLStatement> statement) {
  auto& context = *connection.context;
  auto names = statement->named_param_map;
  auto data = duckdb::make_shared_ptr<duckdb::PreparedStatementData>(statement->type);
  context.RunFunctionInTransaction([&] {
    duckdb::Planner planner(context);
    planner.CreatePlan(statement->Copy());
    data->names = planner.names;
    data->types = planner.types;
    data->properties = planner.properties;
    if (data->properties.always_require_rebind) {
      return;
    }
    data->value_map = std::move(planner.value_map);
    duckdb::Optimizer optimizer(*planner.binder, context);
    auto plan = optimizer.Optimize(std::move(planner.plan));
    data->physical_plan = duckdb::PhysicalPlanGenerator(context).Plan(std::move(plan));
  });
  if (data->physical_plan == nullptr) {
    return nullptr;
  }
  data->unbound_statement = std::move(statement);  // DuckDB insists on having it
  return duckdb::make_uniq<duckdb::PreparedStatement>(connection.context, std::move(data), "",
                                                      std::move(names));
}

}  // namespace

struct QueryRunner::Impl {
  /// A query that was planned.
  struct Planned {
    std::weak_ptr<const ReadQuery::Impl> query;  ///< another one may get its address
    duckdb::unique_ptr<duckdb::PreparedStatement> prepared;
  };

  class End;

  Impl(Database& of, std::int64_t bytes)
      : database(of.impl()),
        max_bytes(bytes),
        connection(*database.duck),
        inputs(add_read_inputs(connection)) {}

  duckdb::PreparedStatement& prepare(const std::shared_ptr<const ReadQuery::Impl>& query);
  duckdb::unique_ptr<duckdb::PendingQueryResult> begin(
      const std::shared_ptr<const ReadQuery::Impl>& query, const std::vector<duckdb::Value>& values,
      const ReadMoment& moment, End& end);
  Batch fetch(duckdb::PendingQueryResult& pending, End& end, const Schema& schema,
              std::int64_t limit, const std::stop_token& stop) const;

  Database::Impl& database;
  std::int64_t max_bytes;
  duckdb::Connection connection;
  duckdb::shared_ptr<ReadInputs> inputs;
  std::unordered_map<const void*, Planned> planned;  // their plans belong to the connection
};

duckdb::PreparedStatement& QueryRunner::Impl::prepare(
    const std::shared_ptr<const ReadQuery::Impl>& query) {
  constexpr std::size_t kMostPlanned = 256;
  auto& known = planned[query.get()];
  if (known.prepared == nullptr || known.query.lock() != query) {
    auto prepared = query->is_own ? plan_once(connection, query->to_prepare()) : nullptr;
    if (prepared == nullptr) {
      prepared = connection.Prepare(query->to_prepare());
    }
    if (prepared->HasError()) {
      planned.erase(query.get());
      throw run_error(prepared->GetErrorObject());
    }
    if (planned.size() > kMostPlanned) {
      std::erase_if(planned, [&](const auto& each) {
        return each.first != query.get() && each.second.query.expired();
      });
    }
    auto& slot = planned[query.get()];
    slot = {query, std::move(prepared)};
    return *slot.prepared;
  }
  return *known.prepared;
}

/// Ends a run, however it went: nothing of it works on in the background, and what it read is let
/// go.
class QueryRunner::Impl::End {
 public:
  explicit End(Impl& runner) : runner_(runner) {}
  ~End() {
    if (result != nullptr && !at_end) {
      // DuckDB clears up when it notices that a query has failed.
      runner_.connection.Interrupt();
      try {
        while (!result->HasError()) {
          const auto chunk = result->Fetch();
          if (chunk == nullptr || chunk->size() == 0) {
            break;
          }
        }
      } catch (const std::exception& error) {  // what it has been told to
        Log().debug("a query that was given up has ended: {}", error.what());
      }
    }
    result.reset();
    if (prepared != nullptr && prepared->data->physical_plan != nullptr) {
      release_states(prepared->data->physical_plan->Root());
    }
    runner_.inputs->moment = nullptr;
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  duckdb::PreparedStatement* prepared = nullptr;
  duckdb::unique_ptr<duckdb::QueryResult> result;
  bool at_end = false;

 private:
  Impl& runner_;
};

duckdb::unique_ptr<duckdb::PendingQueryResult> QueryRunner::Impl::begin(
    const std::shared_ptr<const ReadQuery::Impl>& query, const std::vector<duckdb::Value>& values,
    const ReadMoment& moment, End& end) {
  const std::shared_lock guard(database.planning);
  if (query->is_fresh) {
    return connection.PendingQuery(query->for_run(values, moment), /*allow_stream_result=*/true);
  }
  auto& prepared = prepare(query);
  end.prepared = &prepared;
  duckdb::case_insensitive_map_t<duckdb::BoundParameterData> given;
  for (const auto& [name, place] : prepared.named_param_map) {
    const auto at = *place_of_name(query->parameters, name);
    given.emplace(name, duckdb::BoundParameterData(values[at], query->types[at]));
  }
  return prepared.PendingQuery(given, /*allow_stream_result=*/true);
}

Batch QueryRunner::Impl::fetch(duckdb::PendingQueryResult& pending, End& end, const Schema& schema,
                               std::int64_t limit, const std::stop_token& stop) const {
  const auto check = [&](duckdb::BaseQueryResult& result) {
    if (!result.HasError()) {
      return;
    }
    if (stop.stop_requested()) {
      throw Stopped();
    }
    throw run_error(result.GetErrorObject());
  };
  check(pending);
  end.result = pending.Execute();
  check(*end.result);
  Batch rows(schema);
  while (true) {
    const auto chunk = end.result->Fetch();
    check(*end.result);
    if (chunk == nullptr || chunk->size() == 0) {
      end.at_end = true;
      break;
    }
    const auto count = std::min(static_cast<std::int64_t>(chunk->size()), limit - rows.rows());
    if (count <= 0) {
      break;  // there are more than are wanted
    }
    chunk->Flatten();
    rows.impl().copy(*chunk, 0, static_cast<std::size_t>(count));
    if (rows.bytes() > max_bytes) {
      throw Error(Blame::user, fmt::format("the result is larger than {}; select fewer columns, or "
                                           "fewer rows with WHERE or LIMIT",
                                           human_bytes(max_bytes)));
    }
  }
  return rows;
}

QueryRunner::QueryRunner(Database& database, std::int64_t max_bytes)
    : impl_(std::make_unique<Impl>(database, max_bytes)) {}
QueryRunner::~QueryRunner() = default;

Batch QueryRunner::run(const ReadQuery& query, std::span<const ReadValue> parameters,
                       const ReadMoment& moment, std::int64_t limit, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Stopped();
  }
  const auto& of = query.impl();
  return as_run_error([&] {
    const auto values = of->cast(parameters);
    impl_->inputs->relations = &of->relations;
    impl_->inputs->moment = &moment;
    Impl::End end(*impl_);
    const auto pending = impl_->begin(of, values, moment, end);
    // From here on an interrupt is not lost: the query has begun.
    const std::stop_callback interrupt(stop, [this] { impl_->connection.Interrupt(); });
    return impl_->fetch(*pending, end, of->schema, limit, stop);
  });
}

}  // namespace millrace::sql
