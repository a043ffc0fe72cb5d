// Queries with named parameters over what a pipeline has made, for those who serve it. Beside the
// running pipeline: on connections of their own, and never part of a batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/schema.h"
#include "sql/batch.h"
#include "sql/database.h"
#include "sql/live_tables.h"

namespace millrace::sql {

/// A name that a query may read with FROM.
struct Relation {
  enum class Kind : std::uint8_t {
    live,   ///< a live table, as of the run's snapshot
    rows,   ///< rows that each run brings along
    fixed,  ///< a SELECT that is always the same, such as of the embedded store: planned once
    fresh,  ///< a SELECT that each run brings along, such as of the files that matter to it:
            ///< planned by each run, with its parameters as constants, so that what need not be
            ///< read is not
  };
  std::string name;
  Kind kind = Kind::live;
  Schema schema;                          ///< of rows and fresh
  std::shared_ptr<const LiveTable> live;  ///< of live
  std::string select;                     ///< of fixed
};

/// All tables of a pipeline, each by its name.
[[nodiscard]] std::vector<Relation> relations_of(const LiveTables& tables);

/// A parameter of a query, `$name` in its text, and the SQL type that it has there.
struct ReadParameter {
  std::string name;
  std::string type;  ///< "BIGINT", "DATE", ...
};

/// What the WHERE of a query demands of a relation at its top level, joined by AND: column op
/// $parameter. For those who choose files, or look up by key. Only of relations that the query
/// names once: else what another mention needs would be missing.
struct Demand {
  std::string relation;
  std::string column;
  enum class Op : std::uint8_t { equal, less, less_or_equal, greater, greater_or_equal };
  Op op = Op::equal;
  std::string parameter;
  bool is_cast = false;  ///< the parameter is, by the query's text, to a type that it says
};

/// A SELECT, parsed and bound once. Immutable and thread-safe. The database must outlive it.
///
/// A name after FROM is one of the relations, and nothing else: neither what the database's
/// pipelines have declared, nor its tables, nor a file. What relations read by their own SELECTs is
/// up to those who make them.
class ReadQuery {
 public:
  /// Throws SqlError with the position in `sql`, if it is known: what is not a single SELECT, names
  /// nothing that is there, changes anything, or reads files, functions of the file system or
  /// settings by itself; and two columns of the result with one name.
  ReadQuery(Database& database, std::string sql, std::vector<Relation> relations,
            std::vector<ReadParameter> parameters);
  ~ReadQuery();
  [[nodiscard]] const Schema& schema() const noexcept;
  /// The names of the relations that it reads.
  [[nodiscard]] const std::vector<std::string>& reads() const noexcept;
  [[nodiscard]] const std::vector<Demand>& demands() const noexcept;

  /// `SELECT columns FROM live WHERE key columns = $parameters`, and nothing else: then a row needs
  /// no SQL. For each column of the result its place in the table, and for each column of the key
  /// the place of its parameter. (Not if a parameter has another type than its column: then SQL
  /// has to compare them.)
  struct ByKey {
    std::shared_ptr<const LiveTable> table;
    std::vector<std::size_t> columns;
    std::vector<std::size_t> parameters;
  };
  [[nodiscard]] const std::optional<ByKey>& by_key() const noexcept;

  struct Impl;
  [[nodiscard]] const std::shared_ptr<const Impl>& impl() const noexcept { return impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// What one run of a query sees, beside its parameters.
struct ReadMoment {
  LiveSnapshot snapshot;
  /// By the name of the relation:
  std::vector<std::pair<std::string, std::shared_ptr<const Batch>>> rows;
  std::vector<std::pair<std::string, std::string>> selects;  ///< of relations that are `fresh`
};

/// Runs queries, one at a time: each thread that serves has one. Keeps what was planned.
class QueryRunner {
 public:
  static constexpr std::int64_t kMaxBytes = 256LL << 20;
  /// `max_bytes`: of a result; a larger one is an Error. The database must outlive the runner.
  explicit QueryRunner(Database& database, std::int64_t max_bytes = kMaxBytes);
  ~QueryRunner();
  QueryRunner(const QueryRunner&) = delete;
  QueryRunner& operator=(const QueryRunner&) = delete;
  /// At most `limit` rows, with the query's schema. `parameters`: a value for each of the query's,
  /// cast to its type. Throws Error: a failed cast, a file that has gone, out of memory, or
  /// Stopped, soon after a request to stop.
  [[nodiscard]] Batch run(const ReadQuery& query, std::span<const ReadValue> parameters,
                          const ReadMoment& moment, std::int64_t limit,
                          const std::stop_token& stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
