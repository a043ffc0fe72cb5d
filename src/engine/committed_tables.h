// What the tables of a pipeline hold, read from its checkpoint beside the pipeline.
#pragma once

#include <cstddef>
#include <vector>

#include "base/clock.h"
#include "engine/batch_run.h"
#include "engine/graph.h"
#include "sql/batch.h"
#include "sql/live_tables.h"

namespace millrace {

/// The rows of datasets that are tables (indices into graph.datasets), as of the last batch that
/// the checkpoint has committed; of streams of windows, what would come out if all that are open
/// were closed then. A running pipeline is not disturbed.
///
/// State is read back as at a start of the pipeline; then the datasets run once over a batch
/// without news. Only what these datasets need is read and run. Sources `as: table` are read as
/// they are now. Takes the graph, since its plans hold the state afterwards. Throws Error: there is
/// no checkpoint, or it is of another query.
///
/// `moment`: gets which batch this is.
[[nodiscard]] std::vector<sql::Batch> read_committed_tables(
    Graph graph, const std::vector<std::size_t>& datasets, const Clock& clock,
    sql::LiveVersion* moment = nullptr);

/// The same of a graph that has its states already, as of `batch`, and whose sources are open.
/// `event_time`: what is known of it then, as BatchRun saves it. The graph can be gone on with.
[[nodiscard]] std::vector<sql::Batch> run_tables(Graph& graph,
                                                 const std::vector<std::size_t>& datasets,
                                                 const BatchPlan& batch, const Json& event_time);

}  // namespace millrace
