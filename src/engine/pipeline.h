// A pipeline that runs: its graph, its checkpoint, and one batch after the other.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/connector.h"
#include "engine/progress.h"
#include "spec/pipeline.h"

namespace millrace {

/// Owns everything a running pipeline needs. All calls from one thread.
///
/// A batch either commits or has no effect that outlives its repeat: offsets are logged before a
/// sink publishes anything, sinks publish before the commit is logged, and an uncommitted batch
/// runs again over the same offsets and with the same time.
class Pipeline {
 public:
  /// The spec, the connectors and the clock must outlive the pipeline. Reports mistakes into
  /// `diagnostics`; is not valid if there was one. A request to `stop` ends a rebuild, and, with
  /// Stopped, waits for systems outside.
  Pipeline(const PipelineSpec& spec, const ConnectorList& connectors, const Clock& clock,
           Diagnostics& diagnostics, std::stop_token stop = {});
  ~Pipeline();

  /// False if a mistake was found: nothing else may then be called.
  [[nodiscard]] bool valid() const noexcept;

  /// How to begin.
  struct Start {
    std::vector<std::string> rebuild;  ///< datasets whose state is made anew (engine/rebuild.h)
    std::function<void(const std::string&)> say = [](const auto&) {};  ///< how far a rebuild is
  };
  /// Takes the checkpoint's lock, restores states and positions as of the last commit, opens
  /// sources and sinks. False: a stop was requested; only close() may then be called. Throws Error.
  /// While a source or sink says Retry::yes, here and in plans, it waits and asks again; for
  /// triggers once and available_now no longer than five minutes.
  bool open(const Start& start);
  bool open() { return open(Start()); }
  /// One line for people on what open() found: a fresh start, or where it goes on.
  [[nodiscard]] const std::string& opening() const noexcept;

  struct StepResult {
    bool ran = false;                      ///< a batch; false: there is nothing new
    std::vector<BatchProgress> committed;  ///< in order
  };
  /// Runs one batch if a source has something new, or if one was left uncommitted by a crash, and
  /// commits it. With `ahead`, a batch with many rows may still be committing when this returns:
  /// the next step runs the next batch meanwhile, or waits for it if there is none. Throws Error;
  /// the pipeline must then be thrown away, or, after Stopped and ColumnsGrew, closed. After
  /// ColumnsGrew another one goes on at once, with the new columns.
  StepResult step(bool ahead);
  /// Waits for a commit that is under way.
  std::vector<BatchProgress> finish();
  /// The next batch reads what is in the quarantine of these sources (none: of all) in place of
  /// what they have next. What is still malformed stays there. False: there is nothing of a stream.
  bool replay(const std::vector<std::string>& sources);
  /// What is there now is all there is: for triggers once and available_now.
  void stop_at_present();
  /// No source can ever give anything again.
  [[nodiscard]] bool finished() const;
  /// Waits until there may be something new, `until` has come, or a stop was requested.
  void wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until);
  /// Waits for a snapshot on its way to the disk, and gives the checkpoint's lock back. Everything
  /// committed is in its log. Throws Error.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
