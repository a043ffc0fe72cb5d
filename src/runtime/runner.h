// Runs a pipeline by its trigger until it is done or asked to stop.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "engine/pipeline.h"

namespace millrace {

/// How a run went, over all its batches.
struct RunSummary {
  std::int64_t batches = 0;
  std::int64_t input_rows = 0;
  std::int64_t output_rows = 0;
  std::int64_t quarantined_rows = 0;
  std::int64_t refused_rows = 0;
  std::int64_t violations = 0;  ///< of quality checks
  std::chrono::microseconds duration{0};
  bool stopped = false;  ///< by request, not because the input ended
  /// A source has new columns: another pipeline, made now, has them and goes on.
  bool columns_grew = false;
  /// A system outside was lost in the middle of a batch, and may come back: another pipeline, made
  /// now, goes on from the last commit. See Restarts.
  std::optional<Error> lost;

  /// This run, and one that went on after it.
  RunSummary& operator+=(const RunSummary& next);
};

/// Who watches and steers a run from outside. Called on the run's thread.
class RunGuide {
 public:
  virtual ~RunGuide() = default;
  /// The pipeline is open, and batches may begin.
  virtual void opened(Pipeline& pipeline) { (void)pipeline; }
  /// A sentence for people: what open() found, how far a rebuild is.
  virtual void say(const std::string& text) { (void)text; }
  /// After every committed batch.
  virtual void committed(const BatchProgress& progress) = 0;
  /// The batch that ended the attempt, as far as it is known.
  virtual void failed(const BatchProgress& progress) { (void)progress; }

  enum class Next : std::uint8_t {
    when_due,  ///< as the trigger says
    at_once,   ///< one batch now, if there is something new, committed before anything else
    end,
  };
  /// Between two batches, and whenever wake() ended a wait: what comes next. May take its time:
  /// then the pipeline rests. `finish` waits for the commit that may still be under way.
  virtual Next next(Pipeline& pipeline, const std::function<void()>& finish) = 0;
  /// Ends the wait that begins now, so that next() is asked.
  [[nodiscard]] virtual std::stop_token wake() = 0;
};

/// Opens the pipeline and runs batches: at once when something is new (`as_fast_as_possible`), at
/// every multiple of the interval since the start (a batch that takes longer delays the next, they
/// never pile up), one batch (`once`), or until what is there now is done (`available_now`). A stop
/// request (of the stop that the pipeline was made with) lets the running batch finish, or gives it
/// up if it waits for a system outside: then it runs again at the next start. The checkpoint is
/// closed cleanly. `rebuild`: datasets whose state is made anew first. Throws Error.
RunSummary run_pipeline(Pipeline& pipeline, const TriggerSpec& trigger, const std::stop_token& stop,
                        RunGuide& guide, const std::vector<std::string>& rebuild = {});

/// When a pipeline that lost a system outside is made anew. For one run.
class Restarts {
 public:
  explicit Restarts(std::optional<std::chrono::milliseconds> patience) : patience_(patience) {}

  /// After an attempt that has lost a system: how long to wait before the next one, longer each
  /// time. Throws what it was lost by, if nothing was committed for as long as the patience.
  [[nodiscard]] std::chrono::milliseconds pause_after(const RunSummary& attempt);
  /// Attempts without a commit, one after the other.
  [[nodiscard]] int in_vain() const noexcept { return in_vain_; }

 private:
  std::optional<std::chrono::milliseconds> patience_;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
  int in_vain_ = 0;
};

}  // namespace millrace
