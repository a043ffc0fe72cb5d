// What a Pipeline is made of, for the files that implement it.
#pragma once

#include <chrono>
#include <exception>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/retry.h"
#include "core/growing_columns.h"
#include "engine/batch_run.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/commit.h"
#include "engine/graph.h"
#include "engine/memory.h"
#include "engine/pipeline.h"
#include "engine/quarantine.h"
#include "engine/rebuild.h"
#include "sql/database.h"
#include "sql/out_of_memory.h"

namespace millrace {

/// All from one thread, but for commit_batch() of what `committing` points at.
struct Pipeline::Impl {
  /// What recovery gives for sources.
  struct Restored {
    std::map<std::string, Json> positions;
    std::map<std::string, std::vector<Json>> advanced;
  };

  Impl(const PipelineSpec& of, const ConnectorList& connectors, sql::Database& in,
       const Clock& time, Diagnostics& diagnostics, std::stop_token stop_request, Serving served,
       bool goes_on);

  // pipeline_open.cc
  bool open(const Start& start);
  void open_sources(const Restored& restored);
  void open_sinks(std::optional<std::int64_t> last_committed);
  Recovered recover(Restored& restored, Rebuild* rebuild);
  bool make_anew(Rebuild& rebuild, const Recovered& recovered, const Start& start);
  void refresh_sinks();
  void fill_live(std::int64_t last_committed);
  void show_live(std::int64_t batch, std::int64_t time_us, const BatchProgress& progress) const;
  [[nodiscard]] std::int64_t live_bytes() const;

  // pipeline.cc
  StepResult step(bool ahead);
  std::unique_ptr<PendingBatch> run_next();
  bool plan_batch(PendingBatch& batch);
  std::optional<Slice> plan_table(SourceNode& node, BatchPlan& plan);
  static std::optional<Slice> plan_replay(const std::map<std::string, Json>& again,
                                          const std::string& source);
  void describe(PendingBatch& batch);
  void describe_plan(PendingBatch& batch);
  void describe_source(const SourceNode& node, std::size_t index, PendingBatch& batch) const;
  void note_failed(PendingBatch& batch, const std::exception_ptr& error);
  void start_commit(std::unique_ptr<PendingBatch> batch, bool ahead,
                    std::vector<BatchProgress>& committed);
  std::string changed_states(std::int64_t batch);
  void finish_commit(std::vector<BatchProgress>& committed);
  void write_snapshot();
  std::map<std::string, Json> positions() const;
  void write_states(const Checkpoint::PutState& put) const;
  void keep_columns(const ColumnsGrew& grew) const;
  /// Calls `call`. If DuckDB runs out of memory, says what takes it; if a source has new columns,
  /// keeps them for the next start.
  template <class Call>
  void attempt(const Call& call) {
    try {
      call();
    } catch (const sql::OutOfMemory& error) {
      throw out_of_memory(*graph, database, error.what(), live_bytes());
    } catch (const ColumnsGrew& grew) {
      keep_columns(grew);
      throw;
    }
  }

  // For as long as the pipeline lives:
  const PipelineSpec& spec;
  const Clock& clock;
  std::stop_token stop;
  Retrier retrier;
  sql::Database& database;
  Serving serving;
  // Before the graph, whose sinks may call it from threads of their own:
  std::function<void(const std::string&, const std::string&)> on_trouble = [](auto&, auto&) {};
  std::optional<Graph> graph;  ///< nullopt: the spec has a mistake
  bool reads_itself = false;   ///< a table may be what a sink has just written
  std::unique_ptr<BatchRun> run;
  Quarantines quarantines;
  std::string run_id;
  std::function<void(std::int64_t, std::string_view)> on_phase = [](auto, auto) {};

  // From open() on:
  std::unique_ptr<Checkpoint> checkpoint;
  std::string opening;
  std::optional<BatchPlan> unfinished;  ///< planned by an earlier process, not committed
  bool refresh = false;  ///< sinks are to get what a rebuild has changed, even without new rows
  std::int64_t next_batch = 0;
  std::map<std::string, Json> replay;  ///< the next batch's slices, if it is one of quarantines

  // From batch to batch:
  /// A table as it was read last, by source.
  struct TableRead {
    std::int64_t read_us = 0;
    Slice slice;
  };
  std::map<std::string, TableRead> tables;
  using TimePoint = std::chrono::steady_clock::time_point;
  std::optional<TimePoint> previous_start;
  std::optional<TimePoint> previous_end;
  std::shared_ptr<const PipelineFacts> facts;  // shared with all progress
  /// The snapshot that was taken since the last batch was told of.
  struct SnapshotTaken {
    std::int64_t us = 0;
    mutable std::int64_t bytes = 0;
  };
  SnapshotTaken snapshot;
  /// By dataset: its part of the newest snapshot, and of the log behind it.
  mutable std::map<std::string, std::int64_t> state_disk_bytes;
  std::optional<BatchProgress> failed;  ///< see Pipeline::take_failed()
  std::size_t states_bytes = 0;  ///< changed states of the batch before: this one has as many
  std::exception_ptr failure;    ///< of a batch that ran while the one before was committed
  std::unique_ptr<PendingBatch> committing;
  std::future<void> commit;  ///< of `committing`; last, so that it is waited for first
};

}  // namespace millrace
