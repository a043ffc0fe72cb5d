// One batch through the graph: reads the slices, runs the datasets, fills the sinks.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/accounting.h"
#include "engine/checked_rows.h"
#include "engine/graph.h"
#include "engine/progress.h"
#include "engine/work_shares.h"

namespace millrace {

class CountedMalformed;
struct Quarantines;
class QuarantineBatch;

/// What a batch reads: logged before it runs, and all that a repeat needs.
struct BatchPlan {
  std::int64_t id = 0;
  std::int64_t time_us = 0;            ///< what now() gives in this batch
  std::map<std::string, Json> slices;  ///< offsets by source; a source without new rows is missing
  /// Tables that are as the last batch of this process read them: not read again. Not logged.
  std::set<std::string> unchanged;
};

/// Where the rows of a batch go.
struct BatchOutputs {
  /// What sources can't read, sinks can't write, and checks take out; null: the first two are only
  /// counted, and rows are taken out by checks, but not looked at.
  std::unique_ptr<QuarantineBatch> malformed;
  std::unique_ptr<QuarantineBatch> refused;
  std::unique_ptr<QuarantineBatch> violating;
  // One for each sink of the graph:
  std::vector<std::unique_ptr<CountedMalformed>> refused_by;
  std::vector<std::unique_ptr<SinkBatch>> sinks;

  BatchOutputs();
  BatchOutputs(BatchOutputs&&) noexcept;
  BatchOutputs& operator=(BatchOutputs&&) noexcept;
  ~BatchOutputs();
};
/// Begins a batch at every sink of a graph.
[[nodiscard]] BatchOutputs begin_outputs(Graph& graph, const BatchPlan& plan,
                                         const Quarantines* quarantines = nullptr);

/// Runs batches, one after the other, on the threads of the Database.
///
/// One read of a source feeds all its datasets. A dataset that can be fed takes the rows of the one
/// that it reads chunk by chunk, on the thread that made them. For others rows are held in memory;
/// when a thread has gathered `part_bytes` of them and the readers can take a batch in parts, it
/// runs the readers over its part at once. So memory stays bounded however large a batch is.
class BatchRun {
 public:
  explicit BatchRun(Graph& graph, std::int64_t part_bytes = 16LL << 20);
  ~BatchRun();

  // For state that is made anew from rows that were read before (engine/rebuild.h):
  /// Runs these datasets and what they read, and nothing else.
  void only_for(const std::set<std::size_t>& datasets);
  /// No watermark is known, so that no window is closed.
  void stop_clocks();
  /// In the next batch every group of this dataset counts as changed.
  void touch_all(std::size_t dataset);

  /// Throws on any failure; states are then half advanced. `began`: when the batch did.
  void run(const BatchPlan& plan, BatchOutputs& to,
           WorkShares::Time began = std::chrono::steady_clock::now());

  // Of the batch that was run last, or failed:
  [[nodiscard]] std::vector<DatasetCounts> dataset_counts() const;
  /// What passed between the parts of the graph that users know. Bytes of what is read from sources
  /// are not known here.
  [[nodiscard]] std::vector<EdgeProgress> edges() const;
  /// How long a sink took rows.
  [[nodiscard]] const Span& written(std::size_t sink) const { return shares_.sink(sink); }
  /// What was read from a source: `rows`, with those that are malformed, and the times.
  [[nodiscard]] SourceProgress read_from(std::size_t source) const;
  /// What was run last: "dataset totals"; empty: nothing yet.
  [[nodiscard]] std::string working_on() const;
  /// Rows given to each sink. What it wrote is known when it has staged them.
  [[nodiscard]] const std::vector<std::int64_t>& given_to_sinks() const { return given_to_sink_; }

  /// What somebody should know of its quality checks.
  [[nodiscard]] const std::vector<std::string>& alerts() const { return alerts_; }

  /// After the batch that was run last.
  [[nodiscard]] std::vector<WatermarkProgress> watermarks() const;
  /// Rows of a source that is looked up which could not be decoded.
  [[nodiscard]] std::int64_t malformed_found(const std::string& source) const;
  /// The time of the batch that was run last.
  [[nodiscard]] std::int64_t last_time_us() const noexcept { return last_time_us_; }
  /// Whether a source's rows are part of what is written; else they are there for those who serve.
  [[nodiscard]] bool reads(std::size_t source) const;
  /// Whether windows of processing time are over at a time, so that a batch has something to do
  /// even without new rows.
  [[nodiscard]] bool is_due(std::int64_t now_us) const;
  /// The watermarks, the time of the batch, and the counts of checks so far, for the checkpoint;
  /// and from there.
  [[nodiscard]] Json save_event_time() const;
  void load_event_time(const Json& saved);

 private:
  friend class Fanout;
  friend class FanoutWriter;
  friend class LateFanoutWriter;
  struct Node;

  void begin_nodes(const BatchPlan& plan);
  void begin_lookups();
  void open_feeds();
  void run_node(std::size_t i, const BatchPlan& plan);
  void give_inputs(std::size_t i, const BatchPlan& plan);
  void run_plan(std::size_t i, sql::Run what, OutputMode mode);
  [[nodiscard]] bool wants(const DatasetNode& dataset, OutputMode mode) const;
  void run_stream(std::size_t i);
  void run_table(std::size_t i);
  void give_bounds(std::size_t i);
  [[nodiscard]] bool is_table_source(std::size_t i) const;
  [[nodiscard]] bool is_kept(std::size_t i, const BatchPlan& plan) const;
  void end_node(std::size_t i, const BatchPlan& plan);
  void end_checks();
  void count_checked(std::size_t dataset, DatasetCounts& counts) const;
  void read_source(std::size_t node, std::size_t input, const BatchPlan& plan);
  void read_rows(std::size_t i, std::size_t input, std::unique_ptr<RowReader> reader);
  void run_part(std::size_t reader, std::size_t producer, std::shared_ptr<const sql::Batch> rows);
  [[nodiscard]] bool takes_parts(std::size_t producer) const;

  Graph& graph_;
  BatchOutputs* to_ = nullptr;  ///< of the batch that is run
  std::int64_t part_bytes_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::int64_t> given_to_sink_;
  WorkShares shares_;
  std::optional<std::size_t> running_;  ///< the dataset that was run last
  std::map<std::string, std::unique_ptr<CountedMalformed>> malformed_found_;  ///< by the source
  std::int64_t last_time_us_ = 0;
  std::map<std::string, TotalsByCheck> check_totals_;  ///< by the source or dataset
  std::vector<std::string> alerts_;
  std::mutex given_mutex_;  ///< guards the counts of rows handed over, and of the time that took
};

}  // namespace millrace
