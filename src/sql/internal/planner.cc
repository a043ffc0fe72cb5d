#include "sql/internal/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "sql/internal/classify.h"
#include "sql/internal/closing_times.h"
#include "sql/internal/collector.h"
#include "sql/internal/error.h"
#include "sql/internal/event_time.h"
#include "sql/internal/functions.h"
#include "sql/internal/late_rows.h"
#include "sql/internal/lookup_plan.h"
#include "sql/internal/operators/deduplicate.h"
#include "sql/internal/operators/stateful_aggregate.h"
#include "sql/internal/plan.h"
#include "sql/internal/results.h"
#include "sql/internal/rewriter.h"
#include "sql/internal/stream_scan.h"
#include "sql/internal/syntax.h"
#include "sql/internal/top_n.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

using duckdb::LogicalOperator;

constexpr const char* kNoAppend =
    "rows of an aggregation may still change, so they are never final; use mode update or "
    "complete, or group by a window of a column with a watermark, such as tumble(time, INTERVAL 1 "
    "HOUR)";
constexpr const char* kTablesAppend =
    "it is computed from tables, so its rows may still change; use mode complete";
constexpr const char* kTablesUpdate =
    "it is computed from tables, so any of its rows may have changed; use mode complete";
constexpr const char* kManyStates =
    "it combines several aggregations, so a changed group may change other rows too; use mode "
    "complete";
constexpr const char* kStreamChanges = "a stream's rows never change; use mode append";

constexpr const char* kNoTtl =
    "`state_ttl` has no effect: no state is kept, or windows of event time say when it is "
    "forgotten; remove it";

constexpr const char* kDistinctGrows =
    "DISTINCT remembers every key for ever, as its rows have no event time: its state grows "
    "without end; give the source a `watermark`, and select its column, or the dataset a "
    "`state_ttl`";

void check_output(const duckdb::Planner& planner) {
  std::set<std::string> seen;
  for (const std::string& name : planner.names) {
    if (!seen.insert(duckdb::StringUtil::Lower(name)).second) {
      throw SqlError(fmt::format("two columns of the result are called `{}`; give one another name "
                                 "with AS",
                                 name),
                     std::nullopt);
    }
  }
}

using Stateful = std::vector<const LogicalStateful*>;

/// Every operator of a plan that keeps state.
void find_stateful(const LogicalOperator& op, Stateful& found) {
  if (const auto* stateful = dynamic_cast<const LogicalStateful*>(&op)) {
    found.push_back(stateful);
  }
  for (const auto& child : op.children) {
    find_stateful(*child, found);
  }
}

void note_columns(LogicalOperator& op, Plan::Impl& plan) {
  if (op.type == duckdb::LogicalOperatorType::LOGICAL_GET) {
    const auto& get = op.Cast<duckdb::LogicalGet>();
    if (Input* input = scanned_input(get); input != nullptr) {
      input->scans++;
      for (const auto& column : get.GetColumnIds()) {
        if (!column.IsVirtualColumn()) {
          input->columns[column.GetPrimaryIndex()] = true;
        }
      }
    }
  }
  for (const auto& child : op.children) {
    note_columns(*child, plan);
  }
}

void note_inputs(LogicalOperator& root, Plan::Impl& plan) {
  for (const auto& input : plan.run.inputs) {
    input->columns.assign(input->declared->schema.size(), false);
    input->scans = 0;
  }
  note_columns(root, plan);
  for (const auto& input : plan.run.inputs) {
    if (input->declared->lookup != nullptr) {
      plan.lookups.push_back(input->declared->name);
      continue;
    }
    plan.inputs.push_back({.name = input->declared->name,
                           .shape = input->declared->shape,
                           .columns = input->columns,
                           .scans = input->scans});
  }
}

/// Says what the state holds: once for people, once to recognise state of another query.
void describe_state(const Stateful& found, Plan::Impl& plan) {
  plan.state_schema = fmt::format("duckdb {}", duckdb::DuckDB::LibraryVersion());
  for (const LogicalStateful* stateful : found) {
    plan.state_text += (plan.state_text.empty() ? "" : "; ") + stateful->state_text();
    const auto keys = stateful->state_keys();
    plan.state_keys += (plan.state_keys.empty() || keys.empty() ? "" : "; ") + keys;
    plan.state_schema += "; " + stateful->state_schema();
  }
}

/// Why changed groups can't be given out; nullopt if they can.
std::optional<std::string> why_not_update(const LogicalOperator& root, const Stateful& found,
                                          const Plan::Impl& plan, bool from_state) {
  const auto aggregations = std::ranges::count_if(found, [](const LogicalStateful* stateful) {
    const auto* aggregate = dynamic_cast<const LogicalStatefulAggregate*>(stateful);
    return aggregate != nullptr && !aggregate->is_below();
  });
  if (plan.shape == Shape::stream && aggregations == 0) {
    return kStreamChanges;
  }
  if (plan.shape == Shape::table && !from_state) {
    return kTablesUpdate;
  }
  if (aggregations > 1) {
    return kManyStates;
  }
  // Without an aggregation its stream was optimized away: there is nothing to change.
  return aggregations == 0 ? std::nullopt : why_no_updates(root);
}

void find_refusals(const LogicalOperator& root, const Stateful& found, Nature nature,
                   Plan::Impl& plan) {
  if (plan.shape == Shape::stream) {
    plan.refusals[OutputMode::complete] =
        "a stream's rows are not kept, so there is no whole to give; use mode append";
  } else {
    plan.refusals[OutputMode::append] = nature.from_state ? kNoAppend : kTablesAppend;
  }
  if (auto reason = why_not_update(root, found, plan, nature.from_state)) {
    plan.refusals[OutputMode::update] = std::move(*reason);
  }
}

/// What is known of the event time of the output.
void find_event_times(LogicalOperator& root, const EventTimeFinder& finder, Plan::Impl& plan) {
  const auto bindings = root.GetColumnBindings();
  for (std::size_t c = 0; c < plan.schema.size(); ++c) {
    if (auto bound = finder.find(bindings[c], root)) {
      plan.event_times[c].delay_us = bound->delay_us();
      plan.output_bounds.emplace(c, std::move(*bound));
    }
  }
  for (auto& [column, time] : plan.event_times) {
    if (plan.event_times.size() > 1) {  // else there is nothing to compare with
      time.trial = plan.output_bounds.at(column).try_out(*plan.connection.context);
    }
  }
}

duckdb::shared_ptr<duckdb::PreparedStatementData> prepare(
    duckdb::Planner& planner, duckdb::unique_ptr<duckdb::SQLStatement> statement) {
  auto prepared = duckdb::make_shared_ptr<duckdb::PreparedStatementData>(
      duckdb::StatementType::SELECT_STATEMENT);
  prepared->unbound_statement = std::move(statement);  // DuckDB insists on having it
  prepared->names = planner.names;
  prepared->types = planner.types;
  prepared->properties = planner.properties;
  // DuckDB must never bind again when the catalog changes: it would run the plan without our
  // operators. A plan reads no catalog entries but functions, so there is nothing to notice.
  prepared->properties.read_databases.clear();
  prepared->properties.modified_databases.clear();
  prepared->properties.always_require_rebind = false;
  prepared->properties.bound_all_parameters = true;
  prepared->properties.output_type = duckdb::QueryResultOutputType::FORCE_MATERIALIZED;
  return prepared;
}

/// Decides whether rows that come too late can be given out, and has them carried to where they are
/// found to be late.
void prepare_late_rows(duckdb::Planner& planner, duckdb::ClientContext& context,
                       const ClosingTimes& closing, Plan::Impl& plan) {
  plan.late_refusal =
      carry_whole_rows(planner.plan, *planner.binder, context, closing, plan.run.late);
  if (plan.run.late.stream != nullptr) {
    plan.late_schema = plan.run.late.stream->declared->schema;
  }
}

Slot optimize(duckdb::Optimizer& optimizer, Slot bound, duckdb::SQLStatement& statement,
              duckdb::ClientContext& context, RunContext& run) {
  if (!has_lookups(run)) {
    return optimizer.Optimize(std::move(bound));
  }
  const JoinsAsWritten guard(context);
  auto root = optimizer.Optimize(std::move(bound));
  replace_lookups(root, context, run, [&](const std::string& name) {
    for (const NameRead& read : names_in(statement)) {
      if (duckdb::StringUtil::CIEquals(read.name, name)) {
        return read.position;
      }
    }
    return std::optional<std::size_t>();
  });
  return root;
}

void build(duckdb::ClientContext& context, WatermarkPolicy policy,
           const Database::PlanOptions& options, Plan::Impl& plan) {
  const auto make_finder = [&] {
    return EventTimeFinder(context, plan.run.inputs, plan.run.time_us, policy, options.windows);
  };
  auto statement = parse_select(context, plan.sql);
  duckdb::Planner planner(context);
  planner.CreatePlan(statement->Copy());
  check_output(planner);
  check_functions(*planner.plan);
  duckdb::Optimizer optimizer(*planner.binder, context);
  planner.plan = duckdb::CTEInlining(optimizer).Optimize(std::move(planner.plan));
  rewrite_top_n(planner.plan, *planner.binder, context, make_finder());
  EventTimeFinder finder = make_finder();
  finder.define_ctes(*planner.plan);
  prepare_distinct(*planner.plan, finder);
  const ClosingTimes closing(*planner.plan, finder);
  const Nature nature = check_plan(*planner.plan, closing, finder);
  plan.shape = nature.rows == Rows::stream ? Shape::stream : Shape::table;
  plan.schema = schema_of(planner.names, planner.types);
  if (plan.shape == Shape::stream) {
    find_event_times(*planner.plan, finder, plan);
  }
  if (options.late == Database::Late::give) {
    prepare_late_rows(planner, context, closing, plan);
  }

  auto root = optimize(optimizer, std::move(planner.plan), *statement, context, plan.run);
  rewrite(root, plan.run, closing, nature, *planner.binder);
  note_inputs(*root, plan);
  Stateful found;
  find_stateful(*root, found);
  describe_state(found, plan);
  for (const LogicalStateful* stateful : found) {
    const auto* distinct = dynamic_cast<const LogicalDeduplicate*>(stateful);
    if (distinct != nullptr && !distinct->forgets()) {
      plan.warnings.emplace_back(kDistinctGrows);
    }
  }
  find_refusals(*root, found, nature, plan);
  plan.key = find_key(*root, planner.names);
  plan.explained = root->ToString();

  plan.prepared = prepare(planner, std::move(statement));
  duckdb::PhysicalPlanGenerator generator(context);
  plan.prepared->physical_plan = generator.Plan(std::move(root));
  plan.run.physical_plan = plan.prepared->physical_plan.get();
  if (plan.run.state_ttl_us > 0 &&
      std::ranges::none_of(plan.run.states, [](const auto& s) { return s->spec().ttl_us > 0; })) {
    plan.warnings.emplace_back(kNoTtl);
  }
  if (plan.inputs.size() == 1 && plan.inputs[0].shape == Shape::stream) {
    plan.feed_paths = find_feed_paths(plan.prepared->physical_plan->Root(), plan.inputs[0].scans);
  }
}

/// DuckDB knows the names in its catalog, not those that were declared: it would propose "pg_am".
SqlError unknown_name(const duckdb::ErrorData& error, const Registry& registry) {
  const auto& extra = error.ExtraInfo();
  const auto name = extra.find("name");
  SqlError plain = sql_error(error);
  if (error.Type() != duckdb::ExceptionType::CATALOG || name == extra.end() || !plain.position() ||
      extra.find("type") == extra.end() || extra.at("type") != "Table") {
    return plain;
  }
  const std::string names = registry.names();
  return {fmt::format("there is no source or dataset called `{}`{}{}", name->second,
                      names.empty() ? "" : "; there is ", names),
          plain.position()};
}

}  // namespace

std::unique_ptr<Plan::Impl> make_plan(Database::Impl& database, std::string name, std::string sql,
                                      const Database::PlanOptions& options) {
  auto plan = std::make_unique<Plan::Impl>(*database.duck);
  plan->name = std::move(name);
  plan->sql = std::move(sql);
  plan->run.dataset = plan->name;
  plan->run.state_ttl_us = options.state_ttl_us;
  duckdb::ClientContext& context = *plan->connection.context;
  try {
    context.registered_state->Insert(PlanInputs::kKey,
                                     duckdb::make_shared_ptr<PlanInputs>(plan->run));
    context.RunFunctionInTransaction(
        [&] { build(context, database.watermark_policy, options, *plan); });
    use_collector(context, plan->run);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw unknown_name(duckdb::ErrorData(error), database.registry);
  }
  return plan;
}

}  // namespace millrace::sql
