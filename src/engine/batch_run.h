// One batch through the graph: reads the slices, runs the datasets, fills the sinks.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/accounting.h"
#include "engine/graph.h"

namespace millrace {

/// What a batch reads: logged before it runs, and all that a repeat needs.
struct BatchPlan {
  std::int64_t id = 0;
  std::int64_t time_us = 0;            ///< what now() gives in this batch
  std::map<std::string, Json> slices;  ///< offsets by source; a source without new rows is missing
};

/// Malformed rows of one source in one batch.
struct MalformedRows {
  std::string source;
  std::vector<MalformedRow> rows;
};

/// Runs batches, one after the other, on the threads of the Database.
///
/// Rows between datasets are held in memory. When a thread has gathered `part_bytes` of them and
/// their readers can take a batch in parts, it runs the readers over its part at once: memory stays
/// bounded however large a batch is, and one read of a source feeds all its datasets.
class BatchRun {
 public:
  explicit BatchRun(Graph& graph, std::int64_t part_bytes = 16LL << 20);
  ~BatchRun();

  /// Sinks must have begun the batch. Throws on any failure; states are then half advanced.
  void run(const BatchPlan& plan);

  // Of the batch that was run last:
  [[nodiscard]] std::vector<DatasetCounts> dataset_counts() const;
  /// Rows given to each sink; `written` is filled from its stats.
  [[nodiscard]] std::vector<SinkCounts> sink_counts() const;
  [[nodiscard]] std::vector<MalformedRows> take_malformed();

 private:
  friend class Fanout;
  friend class FanoutWriter;
  struct Node;

  void run_node(std::size_t i, const BatchPlan& plan);
  void read_source(std::size_t node, std::size_t input, const BatchPlan& plan);
  void read_rows(std::size_t node, const sql::Plan::Input& input, const Schema& schema,
                 RowReader& reader);
  void run_part(std::size_t reader, std::size_t producer, std::shared_ptr<const sql::Batch> rows);
  [[nodiscard]] bool takes_parts(std::size_t producer) const;

  Graph& graph_;
  std::int64_t part_bytes_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::int64_t> given_to_sink_;
  std::mutex sink_mutex_;
};

}  // namespace millrace
