// A pipeline as its author wrote it: names, SQL texts and options, each with its place in a file.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "core/connector.h"
#include "core/event_time.h"
#include "spec/alerts.h"
#include "spec/located_sql.h"
#include "spec/serve.h"

namespace millrace {

/// `as: lookup`: a table of which only the rows that a stream asks for are read, by key.
struct LookupSpec {
  std::vector<std::string> key;
  Location key_at;
  std::chrono::milliseconds cache_ttl{600'000};  ///< a row is read anew when it is older
  std::int64_t cache_rows = 100'000;             ///< bounds of what is remembered
  std::int64_t cache_bytes = 64LL << 20;
};

struct SourceSpec {
  std::string name;
  Location at;
  std::string connector;  ///< type of its connector
  Node connection;        ///< a mapping without `type`, perhaps empty
  Node options;           ///< a mapping without `from` and `as`
  bool table = false;     ///< a table, read whole every batch or looked up, instead of a stream
  std::optional<WatermarkSpec> watermark = std::nullopt;
  /// Of a table: how often it is looked at; none: in every batch.
  std::optional<std::chrono::milliseconds> refresh = std::nullopt;
  /// An alert is given when more than this share of a batch's records are malformed, 0 to 1.
  std::optional<double> alert_malformed_share = std::nullopt;
  /// Of a table that is not read, but looked up.
  std::optional<LookupSpec> lookup = std::nullopt;
};

struct DatasetSpec {
  std::string name;
  Location at;
  SqlText sql;
  std::optional<WatermarkSpec> watermark = std::nullopt;
  /// For how long a group, or key, that no row reaches is kept; none: for ever.
  std::optional<std::chrono::milliseconds> state_ttl = std::nullopt;
};

/// What becomes of the rows that a quality check does not pass.
enum class Otherwise : std::uint8_t {
  warn,        ///< they go on; they are counted and shown in the log
  drop,        ///< they do not go on; they are counted
  quarantine,  ///< they do not go on, and are put aside for people
  fail,        ///< the batch fails, and nothing of it is committed
};

/// A quality check of a stream.
struct CheckSpec {
  enum class Kind : std::uint8_t {
    expect,      ///< an SQL expression over the columns of a row that has to be true
    references,  ///< a value that a table has to know
    unique,      ///< values that no other row may have
    sequence,    ///< whole numbers without gaps
  };
  std::string name;
  Location at;
  Kind kind = Kind::expect;
  SqlText expect;
  std::string table;  ///< of `references`
  std::string table_column;
  std::vector<std::string> columns;  ///< of the rows: those of `unique`, or the one that is checked
  Location subject_at;               ///< of what says the kind
  Otherwise otherwise = Otherwise::warn;
  /// The check is violated only if more than this share of a batch's rows are, 0 to 1.
  std::optional<double> max_share = std::nullopt;
};

/// `checks:` of one source or dataset.
struct ChecksSpec {
  std::string of;
  Location at;
  std::vector<CheckSpec> checks;

  /// The check of a name; nullptr: there is none.
  [[nodiscard]] const CheckSpec* find(std::string_view name) const;
};

struct SinkSpec {
  std::string name;
  Location at;
  std::string from;   ///< a dataset or source; empty: see `quarantine`
  bool late = false;  ///< it gets the rows that came too late for `from`, a dataset
  Location from_at;   ///< of `from`, or `late`
  std::string connector;
  Node connection;  ///< a mapping without `type`, perhaps empty
  Node options;     ///< a mapping without `from`, `late`, `to`, `mode`, `key` and `delete`
  std::optional<OutputMode> mode;
  Location mode_at;
  std::vector<std::string> key;
  std::string delete_column;  ///< of `delete`; empty: none
  Location delete_at;
  /// It is the one of the section `quarantine`: it gets all that is put aside.
  bool quarantine = false;
};

struct TriggerSpec {
  enum class Kind : std::uint8_t { interval, once, available_now, as_fast_as_possible };
  Kind kind = Kind::as_fast_as_possible;
  std::chrono::milliseconds interval{0};
};

/// `checkpoint:` of a pipeline file.
struct CheckpointSpec {
  std::string path;  ///< folder, absolute; default .millrace/<pipeline> beside the file
  bool sync = true;  ///< fsync before a batch counts as committed
  std::chrono::milliseconds snapshot_interval{30'000};
  std::int64_t snapshot_log_bytes = 256LL << 20;  ///< or when the log has grown by this
};

struct PipelineSpec {
  std::string name;
  std::string file;      ///< as it was given
  std::string base_dir;  ///< its folder, absolute
  TriggerSpec trigger;
  CheckpointSpec checkpoint;
  int threads = 0;
  std::int64_t memory_limit_bytes = 0;
  /// What all pipelines of this process may have together; 0: there is no other one.
  std::int64_t process_memory_bytes = 0;
  WatermarkPolicy watermark_policy = WatermarkPolicy::min;
  std::vector<SourceSpec> sources;
  std::vector<DatasetSpec> datasets;
  std::vector<ChecksSpec> checks;
  std::vector<SinkSpec> sinks;  ///< that of quarantine, if there is one, is the last
  std::optional<ServeSpec> serve = std::nullopt;  ///< its answers to requests
  AlertsSpec alerts = {};                         ///< empty: there are none

  /// The checks of a source or dataset; nullptr: it has none.
  [[nodiscard]] const ChecksSpec* checks_of(std::string_view name) const;
};

/// Reads a pipeline file and the SQL files it names, and has the connectors check their options.
/// Reports every mistake, in the order of their places; returns nullopt if there was an error.
[[nodiscard]] std::optional<PipelineSpec> load_pipeline(const std::string& path,
                                                        const ConnectorList& connectors,
                                                        Diagnostics& diagnostics);

/// Has each source's and sink's connector check its options, and report every mistake. Touches no
/// system. load_pipeline() does this already.
void check_connectors(const PipelineSpec& spec, const ConnectorList& connectors,
                      Diagnostics& diagnostics);

/// JSON Schema (draft 2020-12) of the pipeline file, and the reference in Markdown: both made from
/// the option tables.
[[nodiscard]] Json pipeline_json_schema(const ConnectorList& connectors);
[[nodiscard]] std::string reference_markdown(const ConnectorList& connectors);

}  // namespace millrace
