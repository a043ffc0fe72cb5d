// What happened in a batch, for the terminal, for machines and for the UI.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/accounting.h"

namespace millrace {

/// A source in one batch.
struct SourceProgress {
  std::string name;
  std::string type;
  Json offsets;                     ///< what the batch read; null if it had nothing new
  std::string text;                 ///< the same for people: "2 files, 1.1 MB"
  std::int64_t rows = 0;            ///< records, with those that did not become rows
  std::int64_t malformed_rows = 0;  ///< of these
  std::int64_t corrupt_rows = 0;    ///< of these, records that did become rows, of NULLs
  std::int64_t bytes = 0;
  std::optional<Lag> lag;
  /// Reading and decoding before the plan runs. Files that a plan scans itself are read within its
  /// run: of the dataset of this name (DatasetCounts::of_source), or that of the only reader.
  Span read;
};

/// A partition of a watermark: a value of its column `partition`.
struct PartitionProgress {
  std::string name;
  std::int64_t newest_us = 0;  ///< event time of its newest row
  std::int64_t active_us = 0;  ///< time of the last batch that had a row of it
};

/// The watermark of a source or dataset after a batch.
struct WatermarkProgress {
  std::string name;
  std::optional<std::int64_t> us;         ///< none: no row has come yet
  std::string partition;                  ///< that holds it back, if it has partitions
  bool idle = false;                      ///< it does not hold others back
  std::int64_t delay_us = 0;              ///< how far behind the newest row rows may come
  std::optional<std::int64_t> newest_us;  ///< event time of the newest row
  /// The first kPartitionsMax of its partitions by name, and the one that holds it back.
  std::vector<PartitionProgress> partitions;
  static constexpr std::size_t kPartitionsMax = 256;
};

/// What a sink is called beside sources and datasets, as it may have the name of one.
[[nodiscard]] inline std::string sink_id(const std::string& name) { return "sink:" + name; }

/// Rows that went from one part of the graph to another. Of tables, all rows that were read.
struct EdgeProgress {
  std::string from;  ///< a source or dataset
  std::string to;    ///< a dataset, or the sink_id() of a sink
  std::int64_t rows = 0;
  /// Of a source that says so, what it read; else estimated from samples of the rows as they lie in
  /// memory; -1: not known.
  std::int64_t bytes = -1;
};

/// What does not change from batch to batch. Shared by all progress of a Pipeline.
struct PipelineFacts {
  struct End {
    std::string type;   ///< of the connector
    std::string where;  ///< a path, topic or table, as the pipeline file has it; may be empty
  };
  std::string fingerprint;                    ///< changes when what the pipeline computes does
  std::map<std::string, End> ends;            ///< of sources and sinks
  std::map<std::string, std::string> checks;  ///< what it asks for, by "<dataset>.<check>"
};

/// Why a batch was not committed.
struct BatchFailure {
  std::string message;
  Blame blame = Blame::internal;
  Retry retry = Retry::no;
  std::string where;  ///< "source orders", "dataset totals", "sink lake", or a phase: "commit"
};

/// One batch, done or failed. Durations in microseconds.
struct BatchProgress {
  std::string pipeline;
  std::string id;      ///< of the checkpoint: the same after a restart
  std::string run_id;  ///< of this process
  std::int64_t batch = 0;
  std::int64_t start_us = 0;  ///< wall time, since 1970
  std::int64_t input_rows = 0;
  std::int64_t output_rows = 0;
  std::int64_t quarantined_rows = 0;     ///< of sources
  std::int64_t refused_rows = 0;         ///< of sinks
  double input_rows_per_second = 0;      ///< since the previous batch began
  double processed_rows_per_second = 0;  ///< while this batch ran
  std::int64_t plan_us = 0;              ///< finding what is new
  std::int64_t log_us = 0;               ///< writing the offset log
  std::int64_t run_us = 0;               ///< reading, decoding, SQL
  std::int64_t stage_us = 0;             ///< closing files, syncing them
  std::int64_t publish_us = 0;
  std::int64_t commit_us = 0;  ///< state log and commit log
  std::int64_t total_us = 0;
  /// From its beginning to its commit, or failure. A batch that is committed beside the next one is
  /// told of, and total_us ends, when that has run.
  std::int64_t ended_us = 0;
  std::int64_t commit_start_us = 0;  ///< when its offsets were logged, since its beginning
  std::int64_t state_log_bytes = 0;  ///< changed state, as it goes to the log
  /// The snapshot of all states that was taken after the batch before: how long that took this
  /// thread, and its size; 0: there was none.
  std::int64_t snapshot_us = 0;
  std::int64_t snapshot_bytes = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t late_rows = 0;
  std::vector<WatermarkProgress> watermarks;
  std::vector<SourceProgress> sources;
  std::vector<std::string> alerts;  ///< what somebody should look at
  std::vector<DatasetCounts> datasets;
  std::vector<SinkCounts> sinks;
  std::vector<EdgeProgress> edges;
  std::shared_ptr<const PipelineFacts> facts;
  /// Set: it was not committed, and what is told of it is what was known till then. The rows of
  /// such a batch need not add up.
  std::optional<BatchFailure> failure;

  [[nodiscard]] std::int64_t state_rows() const;
  [[nodiscard]] std::int64_t state_bytes() const;
  /// Of quality checks, all together.
  [[nodiscard]] std::int64_t violations() const;
  /// The watermark that holds the others back; nullptr: there is none.
  [[nodiscard]] const WatermarkProgress* slowest() const;
};

/// The fields of Spark's StreamingQueryProgress under the same names where they mean the same, and
/// millrace's own beside them. One object, no newline.
[[nodiscard]] Json progress_json(const BatchProgress& progress);

/// "2026-11-20T13:45:30.123Z"
[[nodiscard]] std::string iso_time(std::int64_t us);

/// "batch 12  40,000 rows in  39,196 out  ..." for logs.
[[nodiscard]] std::string progress_text(const BatchProgress& progress);

}  // namespace millrace
