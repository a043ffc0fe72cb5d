#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

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

/// A connection, and what was planned for it.
class Session {
 public:
  Session(duckdb::DuckDB& duck, std::shared_mutex& planning)
      : connection_(duck), inputs_(add_read_inputs(connection_)), planning_(planning) {}

  /// One run. Ends it, however it went: nothing of it works on in the background, and what it read
  /// is let go.
  class Run;

 private:
  /// A query that was planned.
  struct Planned {
    std::weak_ptr<const ReadQuery::Impl> query;  ///< another one may get its address
    /// By the values after LIMIT and OFFSET; empty: for any.
    std::map<std::string, duckdb::unique_ptr<duckdb::PreparedStatement>> prepared;
  };

  duckdb::PreparedStatement& prepare(const std::shared_ptr<const ReadQuery::Impl>& query,
                                     const std::vector<duckdb::Value>& values);

  duckdb::Connection connection_;
  duckdb::shared_ptr<ReadInputs> inputs_;
  std::shared_mutex& planning_;
  std::unordered_map<const void*, Planned> planned_;  // their plans belong to the connection
};

class Session::Run {
 public:
  Run(Session& session, const std::shared_ptr<const ReadQuery::Impl>& query,
      const ReadMoment& moment)
      : session_(session), query_(query), moment_(moment) {
    session_.inputs_->relations = &query->relations;
    session_.inputs_->moment = &moment;
  }
  ~Run() {
    pending_.reset();
    if (result_ != nullptr && !at_end_) {
      // DuckDB clears up when it notices that a query has failed.
      interrupt();
      try {
        while (!result_->HasError()) {
          const auto chunk = result_->Fetch();
          if (chunk == nullptr || chunk->size() == 0) {
            break;
          }
        }
      } catch (const std::exception& error) {  // what it has been told to
        Log().debug("a query that was given up has ended: {}", error.what());
      }
    }
    result_.reset();
    if (prepared_ != nullptr && prepared_->data->physical_plan != nullptr) {
      release_states(prepared_->data->physical_plan->Root());
    }
    session_.inputs_->moment = nullptr;
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void begin(const std::vector<duckdb::Value>& values);
  [[nodiscard]] Batch fetch(std::int64_t limit, std::int64_t max_bytes,
                            const std::stop_token& stop);
  /// By any thread; lost if the run has not begun.
  void interrupt() { session_.connection_.Interrupt(); }

 private:
  Session& session_;
  const std::shared_ptr<const ReadQuery::Impl>& query_;
  const ReadMoment& moment_;
  duckdb::PreparedStatement* prepared_ = nullptr;
  duckdb::unique_ptr<duckdb::PendingQueryResult> pending_;
  duckdb::unique_ptr<duckdb::QueryResult> result_;
  bool at_end_ = false;
};

duckdb::PreparedStatement& Session::prepare(const std::shared_ptr<const ReadQuery::Impl>& query,
                                            const std::vector<duckdb::Value>& values) {
  constexpr std::size_t kMostPlanned = 256;
  constexpr std::size_t kMostLimits = 8;  // who asks for ever other limits gets a plan for any
  auto& known = planned_[query.get()];
  if (known.query.lock() != query) {
    known = {query, {}};
  }
  std::string limits;
  for (const std::size_t place : query->is_own ? query->limits : std::vector<std::size_t>()) {
    limits += values[place].ToString() + ' ';
  }
  if (known.prepared.size() >= kMostLimits && !known.prepared.contains(limits)) {
    limits.clear();
  }
  if (const auto found = known.prepared.find(limits); found != known.prepared.end()) {
    return *found->second;
  }
  const bool for_limits = !limits.empty();
  const auto statement = [&] {
    return query->to_prepare(for_limits ? std::span(values) : std::span<const duckdb::Value>());
  };
  auto prepared = query->is_own ? plan_once(connection_, statement()) : nullptr;
  if (prepared == nullptr) {
    prepared = connection_.Prepare(statement());
  }
  if (prepared->HasError()) {
    throw run_error(prepared->GetErrorObject());
  }
  if (planned_.size() > kMostPlanned) {
    std::erase_if(planned_, [&](const auto& each) { return each.second.query.expired(); });
  }
  return *known.prepared.emplace(std::move(limits), std::move(prepared)).first->second;
}

void Session::Run::begin(const std::vector<duckdb::Value>& values) {
  const std::shared_lock guard(session_.planning_);
  if (query_->is_fresh) {
    pending_ = session_.connection_.PendingQuery(query_->for_run(values, moment_),
                                                 /*allow_stream_result=*/true);
    return;
  }
  prepared_ = &session_.prepare(query_, values);
  duckdb::case_insensitive_map_t<duckdb::BoundParameterData> given;
  for (const auto& [name, place] : prepared_->named_param_map) {
    const auto at = *place_of_name(query_->parameters, name);
    given.emplace(name, duckdb::BoundParameterData(values[at], query_->types[at]));
  }
  pending_ = prepared_->PendingQuery(given, /*allow_stream_result=*/true);
}

Batch Session::Run::fetch(std::int64_t limit, std::int64_t max_bytes, const std::stop_token& stop) {
  const auto check = [&](duckdb::BaseQueryResult& result) {
    if (!result.HasError()) {
      return;
    }
    if (stop.stop_requested()) {
      throw Stopped();
    }
    throw run_error(result.GetErrorObject());
  };
  check(*pending_);
  result_ = pending_->Execute();
  check(*result_);
  Batch rows(query_->schema);
  while (true) {
    const auto chunk = result_->Fetch();
    check(*result_);
    if (chunk == nullptr || chunk->size() == 0) {
      at_end_ = true;
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

}  // namespace

struct QueryRunner::Impl {
  Impl(Database& of, std::int64_t bytes) : database(of.impl()), max_bytes(bytes) {}

  Session& session(bool small) {
    auto& session = small ? for_small : for_all;
    if (!session) {
      session.emplace(small ? database.for_small_queries() : *database.duck, database.planning);
    }
    return *session;
  }

  Database::Impl& database;
  std::int64_t max_bytes;
  std::optional<Session> for_all;
  std::optional<Session> for_small;
};

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
    Session::Run run(impl_->session(of->is_small(moment)), of, moment);
    run.begin(values);
    // From here on an interrupt is not lost: the query has begun.
    const std::stop_callback interrupt(stop, [&] { run.interrupt(); });
    return run.fetch(limit, impl_->max_bytes, stop);
  });
}

}  // namespace millrace::sql
