// A pipeline as one graph: sources, datasets and sinks, planned and checked, ready to run.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/connector.h"
#include "core/sink.h"
#include "core/source.h"
#include "engine/serving.h"
#include "spec/pipeline.h"
#include "sql/database.h"
#include "sql/lookup_table.h"
#include "sql/plan.h"

namespace millrace {

struct CheckStep;

/// A source of the graph. A slice of it is read once a batch, however many datasets use it.
struct SourceNode {
  const SourceSpec* spec = nullptr;
  std::unique_ptr<Source> source;
  /// The dataset that scans its files inside its own plan; -1: rows are read into memory first.
  int scanned_by = -1;
  /// Of one that is looked up: no slice of it is read.
  std::shared_ptr<sql::LookupTable> lookup = nullptr;  // shared with the database's declarations
};

/// What produces the rows that a dataset reads or a sink writes.
struct Producer {
  enum class Kind : std::uint8_t { source, dataset };
  Kind kind = Kind::source;
  int index = -1;  ///< into Graph::sources or Graph::datasets
};

/// A dataset of the graph: a plan, and who takes its rows.
struct DatasetNode {
  std::string name;
  /// nullptr: made by the graph, to read a source once or for quality checks.
  const DatasetSpec* spec = nullptr;
  std::string sql;  ///< of one that was made for checks
  /// Of one that was made for checks: the dataset whose rows are checked; -1: it was not.
  int checked = -1;
  /// Of one whose rows are checked: the dataset that gives those that passed; -1: they are not.
  int passed = -1;
  std::shared_ptr<const CheckStep> checks;  ///< what is counted in its rows
  std::unique_ptr<sql::Plan> plan;
  std::vector<Producer> inputs;  ///< one for each of plan->inputs()
  std::vector<int> readers;      ///< datasets that read this one
  std::vector<int> sinks;        ///< sinks that write this one
  std::vector<int> late_sinks;   ///< sinks of the rows that come too late for it
  std::vector<bool> kept;        ///< columns that readers use: only these are held in memory
  bool trimmed = false;          ///< its plan computes no others, and gives NULLs for them
  /// The watermark declared for its rows (or those of the source that it reads), and the places of
  /// its columns; partition -1: none.
  const WatermarkSpec* watermark = nullptr;
  std::size_t time_column = 0;
  int partition_column = -1;
};

/// A sink of the graph.
struct SinkNode {
  const SinkSpec* spec = nullptr;
  std::unique_ptr<Sink> sink;
  int dataset = -1;  ///< that gives its rows; -1: it gets what was put aside
  OutputMode mode = OutputMode::append;
  std::vector<std::string> key;  ///< update mode: what identifies a row
  /// It feeds a table that is served, and is no sink of the user's (engine/live_sink.h).
  bool live = false;
  [[nodiscard]] bool late() const noexcept { return spec->late; }
  /// Whether it replaces only those parts of its table in which something has changed.
  [[nodiscard]] bool replaces_parts() const {
    return mode == OutputMode::complete && !sink->traits().replaced_by.empty();
  }
};

/// Datasets stand in an order in which each comes after all that it reads.
struct Graph {
  const PipelineSpec* spec = nullptr;
  std::vector<SourceNode> sources;
  std::vector<DatasetNode> datasets;
  std::vector<SinkNode> sinks;  ///< in the order of the spec; then those that are live
  std::vector<std::unique_ptr<SinkSpec>> live_specs;  ///< of these

  [[nodiscard]] std::optional<Producer> find(std::string_view name) const;
  /// What gives the rows that SQL and sinks get by a name: those that passed the checks, if there
  /// are any.
  [[nodiscard]] std::optional<Producer> rows_of(std::string_view name) const;
  /// The name that users know: of a dataset that was made for checks, that of the one it checks.
  [[nodiscard]] const std::string& name_of(const DatasetNode& dataset) const;
  /// The columns that a sink gets.
  [[nodiscard]] const Schema& schema_of(const SinkNode& sink) const;
};

/// Plans every dataset and checks every sink, and reports all mistakes at their places. Opens no
/// sink and reads no data, except that a source may look at a file to learn its columns. The spec,
/// the connectors and the database must outlive the graph. `stop`: for sources and sinks.
/// `goes_on`: it was built before, in this process; a system outside that is away then is no
/// mistake, but what is thrown. `serving`: tables that are kept readable, too.
[[nodiscard]] std::optional<Graph> build_graph(const PipelineSpec& spec,
                                               const ConnectorList& connectors,
                                               sql::Database& database, Diagnostics& diagnostics,
                                               std::stop_token stop = {},
                                               const Serving& serving = {}, bool goes_on = false);

/// What a sink of the graph is opened with. `checkpoint`: its id.
[[nodiscard]] SinkStart sink_start(const Graph& graph, const SinkNode& node,
                                   const std::string& checkpoint,
                                   std::optional<std::int64_t> last_committed);

/// The graph for people: what reads what; per sink its mode, guarantee and the state behind it;
/// with `plans`, each dataset's plan too.
[[nodiscard]] std::string explain(const Graph& graph, bool plans);

}  // namespace millrace
