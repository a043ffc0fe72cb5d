// The inside of queries that are served: how their relations are bound, and read by a run.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/read_syntax.h"
#include "sql/read_query.h"

namespace millrace::sql {

/// Hung onto a connection that binds and runs such queries: what its table function reads.
class ReadInputs final : public duckdb::ClientContextState {
 public:
  static constexpr const char* kKey = "millrace_read_inputs";

  const std::vector<Relation>* relations = nullptr;  ///< of the query that is bound or runs
  const ReadMoment* moment = nullptr;                ///< of the run
};

/// Adds the table function that reads live tables and rows.
void register_read_scan(duckdb::DuckDB& duck);
/// `FROM` that function: the relation at a place in ReadInputs.
[[nodiscard]] duckdb::unique_ptr<duckdb::TableRef> read_scan(std::size_t relation);
/// Makes ReadInputs known to a connection.
[[nodiscard]] duckdb::shared_ptr<ReadInputs> add_read_inputs(duckdb::Connection& connection);

struct ReadQuery::Impl {
  Impl(Database::Impl& of, std::string text, std::vector<Relation> read,
       std::vector<ReadParameter> given);

  /// The SELECT for DuckDB, to be prepared: parameters have their types. With the values of a run:
  /// those after LIMIT and OFFSET are constants, by which DuckDB keeps the first rows instead of
  /// sorting all.
  [[nodiscard]] duckdb::unique_ptr<duckdb::SQLStatement> to_prepare(
      std::span<const duckdb::Value> values = {}) const;
  /// The same for one run, whose values and SELECTs are in it.
  [[nodiscard]] duckdb::unique_ptr<duckdb::SQLStatement> for_run(
      const std::vector<duckdb::Value>& values, const ReadMoment& moment) const;
  /// Whether a run reads but few rows, all of which are in memory.
  [[nodiscard]] bool is_small(const ReadMoment& moment) const;
  /// The values of a run, in the types of the parameters. Throws Error if one can't be cast.
  [[nodiscard]] std::vector<duckdb::Value> cast(std::span<const ReadValue> values) const;

  Database::Impl& database;
  std::string sql;
  std::vector<Relation> relations;
  std::vector<ReadParameter> parameters;
  duckdb::vector<duckdb::LogicalType> types;  ///< of the parameters
  bool is_fresh = false;  ///< it reads a relation that each run brings a SELECT of
  bool is_own = true;     ///< all that it reads is live or rows
  Schema schema;
  std::vector<std::size_t> limits;  ///< the places of the parameters after LIMIT and OFFSET
  std::vector<std::string> reads;
  std::vector<Demand> demands;
  std::optional<ByKey> by_key;

 private:
  void bind();

  std::vector<std::shared_ptr<const LiveTable>> live_;  ///< that it reads

  duckdb::unique_ptr<duckdb::SelectStatement> statement_;
};

}  // namespace millrace::sql
