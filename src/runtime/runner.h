// Runs a pipeline by its trigger until it is done or asked to stop.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/pipeline.h"

namespace millrace {

/// Called after every committed batch, on the runner's thread.
using OnProgress = std::function<void(const BatchProgress&)>;

/// How a run went, over all its batches.
struct RunSummary {
  std::int64_t batches = 0;
  std::int64_t input_rows = 0;
  std::int64_t output_rows = 0;
  std::int64_t quarantined_rows = 0;
  std::int64_t refused_rows = 0;
  std::chrono::microseconds duration{0};
  bool stopped = false;  ///< by request, not because the input ended
  /// A source has new columns: another pipeline, made now, has them and goes on.
  bool columns_grew = false;

  /// This run, and one that went on after it.
  RunSummary& operator+=(const RunSummary& next);
};

/// Opens the pipeline and runs batches: at once when something is new (`as_fast_as_possible`), at
/// every multiple of the interval since the start (a batch that takes longer delays the next, they
/// never pile up), one batch (`once`), or until what is there now is done (`available_now`). A stop
/// request (of the stop that the pipeline was made with) lets the running batch finish, or gives it
/// up if it waits for a system outside: then it runs again at the next start. The checkpoint is
/// closed cleanly. `rebuild`: datasets whose state is made anew first. Throws Error.
RunSummary run_pipeline(Pipeline& pipeline, const TriggerSpec& trigger, const std::stop_token& stop,
                        const std::function<void(const std::string&)>& on_open,
                        const OnProgress& on_progress,
                        const std::vector<std::string>& rebuild = {});

}  // namespace millrace
