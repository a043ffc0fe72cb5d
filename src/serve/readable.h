// What queries of endpoints read with FROM: a name, how SQL sees it, and when it has changed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/connector.h"
#include "engine/graph.h"
#include "spec/pipeline.h"
#include "sql/database.h"
#include "sql/kept_files.h"
#include "sql/live_tables.h"
#include "sql/read_query.h"

namespace millrace::serve {

/// A run of a query: its parameters' names and values.
struct QueryRun {
  const sql::ReadQuery& query;
  std::span<const std::string> names;
  std::span<const sql::ReadValue> values;

  /// The value that the query demands a column of a relation to be equal to; nullptr: it does not.
  [[nodiscard]] const sql::ReadValue* equal_to(std::string_view relation,
                                               std::string_view column) const;
  [[nodiscard]] const sql::ReadValue* value_of(std::string_view parameter) const;
};

/// A dataset, sink or source that endpoints read. Thread-safe.
class Readable {
 public:
  explicit Readable(std::string name) : name_(std::move(name)) {}
  virtual ~Readable() = default;
  Readable(const Readable&) = delete;
  Readable& operator=(const Readable&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// What queries are made with.
  [[nodiscard]] virtual sql::Relation relation() const = 0;
  /// With another number, relation() is another one, and queries have to be made anew.
  [[nodiscard]] virtual std::int64_t revision() const { return 0; }
  /// Whether there is nothing before the pipeline's first batch.
  [[nodiscard]] virtual bool is_of_batches() const { return true; }
  /// Whether what was read may be used again as long as the stamp is the same.
  [[nodiscard]] virtual bool may_be_kept() const { return true; }
  /// Where it has the same stamp, it has the same rows. nullopt: look() has to find out.
  [[nodiscard]] virtual std::optional<std::int64_t> stamp(const sql::LiveSnapshot& of) const = 0;
  /// May wait for a system outside, as bring() may.
  virtual void look(const sql::LiveSnapshot& at) { (void)at; }
  /// Whether look() would be in time now, so that nobody has to wait for it later: true for one who
  /// asks, who is to call it.
  [[nodiscard]] virtual bool wants_look() { return false; }
  /// Something was gone in the middle of a run. True: look() may find it elsewhere.
  [[nodiscard]] virtual bool look_again() { return false; }
  /// Whether an error names something that this is made of, and so is none of the values asked for.
  [[nodiscard]] virtual bool is_named_in(std::string_view error) const {
    (void)error;
    return false;
  }
  /// Puts in what a run needs.
  virtual void bring(const QueryRun& run, sql::ReadMoment& into) { (void)run, (void)into; }
  /// What a query may be run with instead, on rows that are found in memory; nullopt: there is no
  /// such way for it.
  [[nodiscard]] virtual std::optional<sql::Relation> kept_relation(
      const sql::ReadQuery& query) const {
    (void)query;
    return std::nullopt;
  }
  /// Puts in those rows. False: this run needs bring().
  [[nodiscard]] virtual bool bring_kept(const QueryRun& run, sql::ReadMoment& into) {
    (void)run, (void)into;
    return false;
  }
  /// The columns that a query has to demand values of, or it can't be run; none for most.
  [[nodiscard]] virtual std::vector<std::string> needed_columns() const { return {}; }

 private:
  std::string name_;
};

/// What Readables are made of; all of it outlives them, but for the graph.
struct ReadableParts {
  const PipelineSpec& spec;
  const ConnectorList& connectors;
  sql::Database& database;
  sql::LiveTables& tables;
  const Graph& graph;
  std::chrono::milliseconds refresh{1'000};  ///< how old what is known of a source may be
  std::stop_token stop;
  sql::KeptFiles* kept = nullptr;  ///< rows of files in memory; nullptr: none
};

/// What a name means: a sink that can be read back, else a dataset that is a table, else a source
/// that is a table or lookup, as for `millrace query`. nullptr: none of them.
[[nodiscard]] std::shared_ptr<Readable> make_readable(const ReadableParts& parts,
                                                      const std::string& name);

/// Why a name that the pipeline has can't be read; empty: it has no such name.
[[nodiscard]] std::string why_unreadable(const ReadableParts& parts, const std::string& name);

/// The datasets whose rows have to be kept as live tables, so that `serve:` can read them.
[[nodiscard]] std::vector<std::string> live_datasets(const PipelineSpec& spec, const Graph& graph);

/// Makes the tables of live_datasets() that are not there yet: nothing was committed so far.
void open_live_tables(const ReadableParts& parts);

/// "SELECT CAST(NULL AS BIGINT) AS a WHERE false"
[[nodiscard]] std::string empty_select(const Schema& schema);

}  // namespace millrace::serve
