// What a table's dataset gives out goes to its live table, as to any sink: hidden ones of the
// graph, which stand neither in the progress nor in the checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/batch_run.h"
#include "engine/graph.h"
#include "engine/serving.h"

namespace millrace {

/// A dataset of a graph that is served, with how its table is kept up to date.
struct LiveChoice {
  OutputMode mode = OutputMode::complete;
  std::vector<std::size_t> key;  ///< places of its columns; empty: none
};
/// update, where changed groups come out and none vanishes; else complete.
[[nodiscard]] LiveChoice live_choice(const DatasetNode& dataset);

/// Adds a sink for each table that is served, and reports those that can't be. Before the readers
/// of datasets are connected. `broken`: says whether the mistakes of a dataset are reported
/// already.
void add_live_sinks(Graph& graph, const Serving& serving,
                    const std::function<bool(const std::string&)>& is_broken,
                    Diagnostics& diagnostics);

/// The live tables of a graph are what its datasets hold as of a committed batch: runs them once
/// over a batch without news. The states are those of this batch, and the sources are open. All of
/// their rows are in memory twice meanwhile. Made visible by LiveTables::commit().
void fill_live_tables(Graph& graph, const Serving& serving, const BatchPlan& batch,
                      const Json& event_time);

/// Fills live tables from the checkpoint of a pipeline that may run in another process; does
/// nothing if they are as of its last committed batch already. Mistakes go to `diagnostics`.
/// Returns the batch; nullopt: none was committed yet, or there was a mistake. Throws Error.
///
/// Each time the states are read anew, so this is for copies that may lag behind by seconds.
std::optional<std::int64_t> load_live_tables(const PipelineSpec& spec,
                                             const ConnectorList& connectors,
                                             sql::Database& database, const Clock& clock,
                                             const Serving& serving, Diagnostics& diagnostics);

}  // namespace millrace
