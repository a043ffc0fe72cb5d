// What happened in a batch, for the terminal, for machines and for the UI.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  std::int64_t bytes = 0;
  std::optional<Lag> lag;
};

/// The watermark of a source or dataset after a batch.
struct WatermarkProgress {
  std::string name;
  std::optional<std::int64_t> us;  ///< none: no row has come yet
  std::string partition;           ///< that holds it back, if it has partitions
  bool idle = false;               ///< it does not hold others back
};

/// One batch, done. Durations in microseconds.
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
  std::int64_t memory_bytes = 0;
  std::int64_t late_rows = 0;
  std::vector<WatermarkProgress> watermarks;
  std::vector<SourceProgress> sources;
  std::vector<std::string> alerts;  ///< what somebody should look at
  std::vector<DatasetCounts> datasets;
  std::vector<SinkCounts> sinks;

  [[nodiscard]] std::int64_t state_rows() const;
  [[nodiscard]] std::int64_t state_bytes() const;
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
