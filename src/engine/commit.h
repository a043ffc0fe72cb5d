// The second half of a batch: what it gave out is staged, published and committed.
#pragma once

#include <exception>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <string_view>
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
  std::int64_t states_bytes = 0;     ///< of these
  std::promise<std::string> states;  ///< their changes, as records of the log
  BatchProgress progress;
  Phases phases;
  std::string at;  ///< what is worked on, for who asks why it failed: "sink totals", "commit"
};

/// Why a batch ended with an exception; nullopt: it did not fail, but was given up for a stop, or
/// for new columns, and is repeated. `where`: BatchFailure::where.
[[nodiscard]] std::optional<BatchFailure> failure_of(const std::exception_ptr& error,
                                                     std::string where);

/// Commits a batch: logs its offsets, stages, checks the accounts, publishes, and logs its states
/// and its commit. Throws Error; the batch then runs again in another attempt. Touches no state of
/// a plan, so the next batch may run meanwhile. `on_phase`: see Pipeline.
void commit_batch(PendingBatch& batch, const Graph& graph, Checkpoint& checkpoint,
                  const Clock& clock,
                  const std::function<void(std::int64_t, std::string_view)>& on_phase);

}  // namespace millrace
