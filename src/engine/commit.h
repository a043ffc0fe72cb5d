// The second half of a batch: what it gave out is staged, published and committed.
#pragma once

#include <future>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/batch_run.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/phases.h"
#include "engine/progress.h"

namespace millrace {

/// A batch that has run and is not committed.
struct PendingBatch {
  BatchPlan plan;
  bool offsets_logged = false;             ///< by the process that planned it, which died
  std::map<std::string, Slice> described;  ///< the slices, for people
  Json event_time_before;                  ///< the watermarks, for the offset log
  Json event_time;                         ///< after it
  BatchOutputs outputs;
  std::vector<std::int64_t> given_to_sinks;
  std::promise<std::string> states;  ///< their changes, as records of the log
  BatchProgress progress;
  Phases phases;
};

/// Commits a batch: logs its offsets, stages, checks the accounts, publishes, and logs its states
/// and its commit. Throws Error; the batch then runs again in another attempt. Touches no state of
/// a plan, so the next batch may run meanwhile.
void commit_batch(PendingBatch& batch, const Graph& graph, Checkpoint& checkpoint,
                  const Clock& clock);

}  // namespace millrace
