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

namespace millrace {

/// SQL, inline in the YAML or in a file of its own, that knows where each of its bytes stands.
struct SqlText {
  std::string text;
  Location at;  ///< where the text begins
  /// From byte `offset` on, the text stands in the file from this line and column on. Empty: the
  /// text stands in the file as it is, from `at` on.
  struct Run {
    std::size_t offset = 0;
    int line = 0;
    int column = 0;
  };
  std::vector<Run> runs;
  /// The place of a byte of `text`.
  [[nodiscard]] Location locate(std::size_t offset) const;
};

struct SourceSpec {
  std::string name;
  Location at;
  std::string connector;  ///< type of its connector
  Node connection;        ///< a mapping without `type`, perhaps empty
  Node options;           ///< a mapping without `from` and `as`
  bool table = false;     ///< read whole every batch (`as: table`), instead of as a stream
  std::optional<WatermarkSpec> watermark = std::nullopt;
  /// Of a table: how often it is looked at; none: in every batch.
  std::optional<std::chrono::milliseconds> refresh = std::nullopt;
  /// An alert is given when more than this share of a batch's records are malformed, 0 to 1.
  std::optional<double> alert_malformed_share = std::nullopt;
};

struct DatasetSpec {
  std::string name;
  Location at;
  SqlText sql;
  std::optional<WatermarkSpec> watermark = std::nullopt;
  /// For how long a group, or key, that no row reaches is kept; none: for ever.
  std::optional<std::chrono::milliseconds> state_ttl = std::nullopt;
};

struct SinkSpec {
  std::string name;
  Location at;
  std::string from;   ///< a dataset or source
  bool late = false;  ///< it gets the rows that came too late for `from`, a dataset
  Location from_at;   ///< of `from`, or `late`
  std::string connector;
  Node connection;  ///< a mapping without `type`, perhaps empty
  Node options;     ///< a mapping without `from`, `late`, `to`, `mode` and `key`
  std::optional<OutputMode> mode;
  Location mode_at;
  std::vector<std::string> key;
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
  WatermarkPolicy watermark_policy = WatermarkPolicy::min;
  std::vector<SourceSpec> sources;
  std::vector<DatasetSpec> datasets;
  std::vector<SinkSpec> sinks;
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
