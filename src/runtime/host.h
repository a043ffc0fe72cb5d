// A pipeline on a thread of its own, that can be watched and steered while it runs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "core/connector.h"
#include "engine/pipeline.h"
#include "runtime/backoff.h"
#include "runtime/runner.h"
#include "sql/database.h"

namespace millrace {

/// What a pipeline is doing, as far as operators have to know.
enum class RunState : std::uint8_t {
  starting,  ///< reading its file, planning, restoring its state
  running,   ///< batches run when they are due
  paused,    ///< no batch runs until somebody resumes it, or triggers one
  failed,    ///< it waits until it may be tried again, or for somebody
  stopped,   ///< on request, or as its input has ended
};
[[nodiscard]] std::string_view run_state_word(RunState state) noexcept;

/// Why a pipeline failed.
struct HostFailure {
  std::string code;  ///< "mistake", "system_lost", "system_failed", "bug"
  std::string message;
  std::string where;  ///< file:line:column, if the mistake stands somewhere
  std::int64_t batch = 0;
  std::int64_t at_us = 0;
  int attempts = 1;  ///< that failed, one after the other
  std::string hint;  ///< the way out; may be empty
  std::optional<std::int64_t> next_attempt_us;
};

/// Who has stopped a pipeline, if nobody has.
inline constexpr std::string_view kEndOfInput = "the end of its input";

struct HostStatus {
  RunState state = RunState::starting;
  std::int64_t since_us = 0;
  std::string by = "millrace";         ///< who brought it into this state
  std::optional<RunState> requested;   ///< what comes when the running batch is done
  std::optional<HostFailure> failure;  ///< kept until a batch was committed
  std::int64_t last_batch = -1;        ///< committed by this process; -1: none yet
};

enum class HostCommand : std::uint8_t { pause, resume, trigger, stop, retry, savepoint };
[[nodiscard]] std::optional<HostCommand> host_command(std::string_view word) noexcept;
[[nodiscard]] std::string_view host_command_word(HostCommand command) noexcept;

/// Why a command was not taken. Nothing was done.
struct Refusal {
  std::string code;
  std::string message;
  std::string hint;
};

/// What uses a pipeline's database beside its attempts, such as what answers requests. Made before
/// the first attempt on a database; it lives as long as that, also while the pipeline has failed.
class Companion {
 public:
  virtual ~Companion() = default;
  /// What can be planned of the pipeline now: all, or less what the companion alone reads and that
  /// is away. Asked before each attempt; stays as it is until the next one.
  [[nodiscard]] virtual const PipelineSpec& pipeline() = 0;
  /// What the pipeline has to keep readable for it.
  [[nodiscard]] virtual Serving serving() const = 0;
};

/// Watches a host. Called on the host's thread, but for phases (also on that of a commit) and
/// commands (on that of who gives them); must not wait for anything, nor call back what may wait.
class HostObserver {
 public:
  virtual ~HostObserver() = default;
  /// Of each attempt: mistakes, and what is doubtful. `restarted`: it went on with more columns.
  virtual void diagnosed(const Diagnostics& diagnostics, bool restarted) {
    (void)diagnostics, (void)restarted;
  }
  virtual void said(const std::string& text) { (void)text; }
  /// What a sink finds wrong with its system while it tries again by itself; empty: that is over.
  /// Called by any thread.
  virtual void sink_troubled(const std::string& sink, const std::string& why) {
    (void)sink, (void)why;
  }
  /// An attempt is about to run batches.
  virtual void opened(const Pipeline& pipeline) { (void)pipeline; }
  virtual void batch_committed(const BatchProgress& progress) { (void)progress; }
  /// The batch that ended an attempt, as far as it is known.
  virtual void batch_failed(const BatchProgress& progress) { (void)progress; }
  virtual void phase_changed(std::int64_t batch, std::string_view phase) {
    (void)batch, (void)phase;
  }
  virtual void state_changed(const HostStatus& status) { (void)status; }
  /// It was taken; what comes of it comes later.
  virtual void commanded(HostCommand command, const std::string& by) { (void)command, (void)by; }
  /// A run has ended without an error.
  virtual void ended(const RunSummary& summary) { (void)summary; }
};

/// Loads a pipeline, runs attempts, goes on after what was lost, and obeys. Nothing in it is
/// global: a process may have any number. All public calls are thread-safe.
class PipelineHost {
 public:
  struct Options {
    std::string name;  ///< for those who ask before its file was read
    /// Gives the pipeline; called on the host's thread by each start, not by restarts after a loss.
    /// Mistakes go to the diagnostics.
    std::function<std::optional<PipelineSpec>(Diagnostics&)> load;
    std::vector<std::string> rebuild;  ///< datasets whose state the first start makes anew
    /// After a failure, or a stop, the host waits to be started again, and tries by itself what
    /// is no mistake of the pipeline's author. Otherwise it ends.
    bool stays = false;
  };
  /// The connectors and the clock outlive it.
  PipelineHost(Options options, const ConnectorList& connectors, const Clock& clock);
  /// Stops it, and waits for its end.
  ~PipelineHost();
  PipelineHost(const PipelineHost&) = delete;
  PipelineHost& operator=(const PipelineHost&) = delete;

  /// Before start(). The observer outlives the host.
  void observe(HostObserver& observer) { observers_.push_back(&observer); }
  /// Makes what goes along with the pipeline, if anything does; on the host's thread. Mistakes go
  /// to the diagnostics.
  using Accompany = std::function<std::unique_ptr<Companion>(std::shared_ptr<const PipelineSpec>,
                                                             sql::Database&, Diagnostics&)>;
  /// Before start(). What it uses outlives the host.
  void accompany_with(Accompany accompany) { accompany_ = std::move(accompany); }
  void start();

  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] HostStatus status() const;
  /// As it was read by the last start; nullptr: it could not be read yet.
  [[nodiscard]] std::shared_ptr<const PipelineSpec> spec() const;

  /// Takes a command, which takes effect within milliseconds, or when the running batch is done.
  /// `by`: who gives it, for people. The status is that before it takes effect.
  std::expected<HostStatus, Refusal> command(HostCommand command, const std::string& by);

  /// Called once, on the host's thread, between two batches, while nothing is being committed;
  /// nullptr: the pipeline has ended before its turn came. May throw Error, which ends the attempt.
  using Job = std::function<void(Pipeline*)>;
  /// Refused unless it is running or paused, and if too many jobs wait already.
  std::expected<void, Refusal> between_batches(Job job);
  /// Like a trigger, but not for somebody: a batch is wanted for what a job has prepared.
  void want_batch();

  /// Stops as `stop` does, and starts anew at once, in whatever state one that stays is. Who has
  /// paused it, has the new run paused before its first batch.
  void restart(const std::string& by);
  /// Stops for good, also one that stays.
  void end(const std::string& by);
  /// How it ended; to be asked for once, by one thread. Waits for it.
  struct Ending {
    std::exception_ptr error;  ///< of the last attempt; nullptr: none
    bool mistake = false;      ///< the pipeline could not be planned; diagnosed() has said why
  };
  Ending wait();

 private:
  class Guide;

  void live();
  void run_once();
  RunSummary attempt(const std::shared_ptr<const PipelineSpec>& spec, const RunSummary& before);
  void make_database(const std::shared_ptr<const PipelineSpec>& spec, Diagnostics& diagnostics);
  void drop_database();
  bool rest_after(const RunSummary& attempt, Restarts& restarts);
  bool rest_until_started();
  bool rest(std::optional<std::chrono::milliseconds> pause);
  void fail(HostFailure failure);
  void set_state(RunState state, const std::string& by = "");
  [[nodiscard]] std::string started_by();
  [[nodiscard]] std::string stopped_by();
  [[nodiscard]] std::optional<Refusal> refusal(HostCommand command) const;
  void take(HostCommand command, const std::string& by);
  void wake();
  void drop_jobs();

  Options options_;
  const ConnectorList& connectors_;
  const Clock& clock_;
  std::vector<HostObserver*> observers_;
  Accompany accompany_;

  mutable std::mutex lock_;  // guards what follows, but for what only its thread uses
  std::condition_variable changed_;
  HostStatus status_;
  std::shared_ptr<const PipelineSpec> spec_;  // shared with those who ask for it
  std::stop_source stop_;                     ///< of this start
  std::stop_source wake_;                     ///< of the wait under way
  bool ends_ = false;
  bool wants_pause_ = false;
  int wanted_batches_ = 0;
  bool wants_start_ = false;
  bool wants_restart_ = false;
  std::string paused_by_;  ///< or resumed
  std::string started_by_ = "millrace";
  std::string stopped_by_ = "millrace";
  std::deque<Job> jobs_;

  // Of its thread alone:
  std::unique_ptr<sql::Database> database_;  ///< outlives attempts, unless one has broken it
  std::unique_ptr<Companion> companion_;
  Ending ending_;
  bool mistaken_ = false;
  int starts_ = 0;
  std::string failed_at_;  ///< what the batch was at that ended the attempt
  std::optional<std::int64_t> failed_batch_;
  int failures_ = 0;  ///< since a batch was committed
  Backoff backoff_;
  std::optional<std::chrono::steady_clock::time_point> well_since_;  ///< of this start
  std::thread thread_;
};

}  // namespace millrace
