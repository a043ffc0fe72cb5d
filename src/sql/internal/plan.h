// The inside of Plan.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"
#include "sql/internal/feed.h"
#include "sql/internal/run_context.h"
#include "sql/internal/state/codec.h"
#include "sql/plan.h"

namespace millrace::sql {

/// DuckDB keeps the operators' states of a run until the next one begins: hash tables of joins and
/// the batch itself. Nobody needs them any more.
void release_states(const duckdb::PhysicalOperator& op);

struct Plan::Impl {
  explicit Impl(duckdb::DuckDB& duck);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] sql::Input& input(std::string_view name) const;
  void execute();
  [[nodiscard]] RunCounts counts() const;
  void forget_input();
  void begin_epoch();
  [[nodiscard]] StateCodec codec() const;
  void set_closing();  // by what is known of the inputs' values to come

  // What planning found out.
  std::string name;
  std::string sql;
  Schema schema;
  Shape shape = Shape::stream;
  std::optional<std::vector<std::string>> key;
  std::map<OutputMode, std::string> refusals;
  std::vector<Plan::Input> inputs;
  std::vector<std::string> lookups;
  EventTimes event_times;
  std::map<std::size_t, TimeBound> output_bounds;
  Schema late_schema;
  std::optional<std::string> late_refusal;
  std::vector<std::string> warnings;
  std::string explained;
  std::string state_text;
  std::string state_keys;
  std::string state_schema;

  // What runs. The order matters: states and operators hold on to the connection's context.
  RunContext run;
  duckdb::Connection connection;
  duckdb::shared_ptr<duckdb::PreparedStatementData> prepared;
  std::vector<FeedPath> feed_paths;  // through the physical plan; empty: it can't be fed
  std::uint64_t epoch = 1;
};

}  // namespace millrace::sql
