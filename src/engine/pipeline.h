// A pipeline that runs: its graph, its checkpoint, and one batch after the other.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "core/connector.h"
#include "engine/graph.h"
#include "engine/progress.h"
#include "engine/quarantine_files.h"
#include "engine/serving.h"
#include "spec/pipeline.h"
#include "sql/database.h"

namespace millrace {

/// Owns everything a running pipeline needs. All calls from one thread.
///
/// A batch either commits or has no effect that outlives its repeat: offsets are logged before a
/// sink publishes anything, sinks publish before the commit is logged, and an uncommitted batch
/// runs again over the same offsets and with the same time.
class Pipeline {
 public:
  /// All that it is given must outlive the pipeline. Reports mistakes into
  /// `diagnostics`; is not valid if there was one. A request to `stop` ends a rebuild, and, with
  /// Stopped, waits for systems outside.
  /// `database` is made with database_options() of the spec. It may be that of an earlier pipeline
  /// of this spec, which has ended: those who read tables that are served go on meanwhile. Then,
  /// with `goes_on`, a system outside that is away is no mistake: throws an Error to try again
  /// after.
  Pipeline(const PipelineSpec& spec, const ConnectorList& connectors, sql::Database& database,
           const Clock& clock, Diagnostics& diagnostics, std::stop_token stop = {},
           Serving serving = {}, bool goes_on = false);
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
  /// The batch that step() or finish() has failed with, as far as it is known, once they threw; a
  /// batch that could not be planned is none.
  [[nodiscard]] std::optional<BatchProgress> take_failed();
  /// Of the checkpoint: the same after a restart. Once it was opened.
  [[nodiscard]] const std::string& id() const noexcept;
  /// What is run, for as long as the pipeline lives.
  [[nodiscard]] const Graph& graph() const noexcept;
  /// Waits for a commit that is under way.
  std::vector<BatchProgress> finish();
  /// The next batch reads what is in the quarantine of these sources (none: of all) in place of
  /// what they have next. What is still malformed stays there. False: there is nothing of a stream.
  bool replay(const std::vector<std::string>& sources);
  /// The same of some files of this quarantine, beside those that the next batch is to read
  /// already.
  bool replay_files(std::vector<KeptFile> files);
  /// The number of the batch that is planned next.
  [[nodiscard]] std::int64_t next_batch() const noexcept;
  /// Copies all states to a snapshot, and waits until it is durable. False: nothing was committed
  /// since the last one. Not while a commit is under way.
  bool snapshot();
  /// Another limit from the next batch on. Throws Error if more than that cannot be given up.
  void set_memory_limit(std::int64_t bytes);
  /// Is told when a phase of a batch begins: "run", "stage", "commit". Before open(); called by
  /// this thread and by that of a commit.
  void on_phase(std::function<void(std::int64_t batch, std::string_view phase)> call);
  /// Is told what a sink finds wrong with its system while it tries again by itself, and with no
  /// text when that is over. Before open(); called by any thread, must not wait.
  void on_trouble(std::function<void(const std::string& sink, const std::string& why)> call);
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

/// How a pipeline's database is set up.
[[nodiscard]] sql::Database::Options database_options(const PipelineSpec& spec);

/// How long to wait for systems that are not there; none: for ever. Who wants an end waits for one.
[[nodiscard]] std::optional<std::chrono::milliseconds> patience_of(const TriggerSpec& trigger);

}  // namespace millrace
