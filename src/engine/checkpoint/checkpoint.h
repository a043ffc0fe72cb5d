// The durable memory of a pipeline: offset log, state log, commit log and snapshots.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "core/source.h"
#include "engine/checkpoint/record.h"

namespace millrace {

/// A batch as the offset log has it.
struct LoggedBatch {
  std::int64_t batch = 0;
  std::int64_t time_us = 0;
  std::map<std::string, Json> slices;  ///< by source
  Json event_time;                     ///< the watermarks before the batch, as EventClocks has them
};

/// Gives the next piece of a dataset's state; false at the end. (As sql::GetBytes.)
using NextPiece = std::function<bool(std::string& piece)>;

/// What recovery tells, in this order: positions() and state() of the snapshot, if there is one;
/// then for each committed batch after it state() and committed(). Pieces may be left unread.
struct RecoveryVisitor {
  std::function<void(const std::map<std::string, Json>& positions)> positions;
  std::function<void(const std::string& dataset, const NextPiece& next)> state;
  std::function<void(const LoggedBatch& batch)> committed;
  /// The watermarks, as of the snapshot, and after each committed batch.
  std::function<void(const Json& event_time)> event_time = [](const Json&) {};
};

/// Where a recovered pipeline stands.
struct Recovered {
  std::optional<std::int64_t> last_committed;
  std::optional<LoggedBatch> unfinished;  ///< planned, not committed: to be run again
  std::optional<std::int64_t> snapshot;   ///< the batch of the snapshot that was used
  std::int64_t replayed = 0;              ///< committed batches after it
  std::string torn_end;  ///< where a record was not written to its end; empty: nowhere
};

/// One process's hold on a checkpoint folder:
///
///   LOCK                          held while the process lives
///   checkpoint.json               version, id, pipeline, fingerprints of its parts
///   log/<first batch>.log         records: header, then offsets, state and commit of batch after
///   batch snapshots/<batch>.snapshot    records: header with the sources' positions, state, footer
///
/// A batch writes twice, each time with one synced write: its offsets before anything of it can be
/// seen; its changed state and its commit at the end. A snapshot starts a new log file. The last
/// two snapshots and the log since the older one are kept: should the newest be damaged, the older
/// one serves. One thread at a time.
class Checkpoint {
 public:
  struct Options {
    std::string path;
    bool sync = true;
    std::chrono::milliseconds snapshot_interval{30'000};
    std::int64_t snapshot_log_bytes = 256LL << 20;
  };
  /// Takes the lock; makes the folder if it is missing. Throws Error: another process has it, or it
  /// is that of another pipeline or of another version.
  Checkpoint(Options options, const std::string& pipeline);
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  /// The fingerprints that the checkpoint was last used with; null for a new one.
  [[nodiscard]] const Json& fingerprints() const noexcept { return fingerprints_; }
  /// To be called when they were found to be compatible.
  void set_fingerprints(const Json& fingerprints);

  /// Datasets whose state was made anew after the last committed batch, so that the next batch is
  /// the first with it. After recover().
  [[nodiscard]] std::vector<std::string> just_rebuilt() const;

  /// Reads everything back. Call once, first. Throws Error with file and offset for damage that is
  /// more than a torn end.
  Recovered recover(const RecoveryVisitor& visitor);

  /// Makes a batch's offsets durable.
  void log_offsets(const LoggedBatch& batch);
  /// Adds a piece of a dataset's changed state to what log_commit() will write.
  static void append_state(std::string& states, std::int64_t batch, const std::string& dataset,
                           std::string_view piece);
  /// Makes the batch's changed states and its commit durable: from here on it counts.
  void log_commit(std::int64_t batch, std::string states, const Json& summary);

  /// How much more may be logged before there should be a snapshot; 0: it is time.
  [[nodiscard]] std::int64_t bytes_to_snapshot() const;
  /// Whether there is something to write a snapshot of, and it is time.
  [[nodiscard]] bool snapshot_due() const { return has_news() && bytes_to_snapshot() == 0; }
  /// Whether something was committed since the last snapshot.
  [[nodiscard]] bool has_news() const noexcept { return commits_ > 0; }
  /// Writes a snapshot as of the last commit. `states` is called to write each dataset's state
  /// through put(dataset, piece), as fast as memory takes it; that it becomes durable, and that old
  /// files are removed, happens in the background, while the next batches are logged. Waits for the
  /// snapshot before it, and throws what that has met.
  using PutState = std::function<void(const std::string& dataset, std::string_view piece)>;
  void write_snapshot(const std::map<std::string, Json>& positions, const Json& event_time,
                      const std::function<void(const PutState& put)>& states);

  /// Throws what the snapshot that was written last has met on its way to its place; with `wait`,
  /// waits until it is there.
  void check_snapshot(bool wait);

  /// What comes with state that was made anew as of the last commit.
  struct Rebuilt {
    std::vector<std::string> datasets;
    Json fingerprints;
    std::optional<LoggedBatch> unfinished;  ///< as recovery gave it
  };
  /// Writes a snapshot with such state. It counts, with the fingerprints, when it is in its place
  /// and not before; what was there goes.
  void write_rebuilt(const std::map<std::string, Json>& positions, const Json& event_time,
                     const std::function<void(const PutState& put)>& states,
                     const Rebuilt& rebuilt);

 private:
  /// A snapshot under another name.
  struct Aside {
    AppendFile file;
    std::int64_t batch = 0;
  };
  Aside write_aside(const Json& header, const std::function<void(const PutState& put)>& states);
  void start_next_segment();
  void put_in_place(Aside& aside) const;
  void keep_two_snapshots() const;
  void remove_before(std::int64_t snapshot) const;
  void read_description();
  void write_description() const;
  std::optional<std::int64_t> load_snapshot(const RecoveryVisitor& visitor);
  void remove_unusable_snapshots() const;
  void start_segment(std::int64_t first_batch);

  Options options_;
  FileLock lock_;
  std::string pipeline_;
  std::string id_;
  std::string created_;
  Json fingerprints_;
  Json rebuilt_;  ///< the last rebuild: count, after (a batch), datasets; null: there was none
  AppendFile segment_;
  std::int64_t last_committed_ = -1;
  std::int64_t base_snapshot_ = -1;  ///< the one that recovery has read; -1: none
  std::int64_t commits_ = 0;
  std::int64_t logged_bytes_ = 0;
  std::chrono::steady_clock::time_point last_snapshot_ = std::chrono::steady_clock::now();
  std::future<void> snapshot_;  ///< on its way to its place; last, so that it is waited for first
};

/// A checkpoint as `millrace state` shows it.
struct CheckpointView {
  struct File {
    std::string name;
    std::int64_t bytes = 0;
  };
  Json description;  ///< checkpoint.json
  std::vector<File> logs;
  std::vector<File> snapshots;
  std::vector<LoggedBatch> batches;                  ///< of the logs that are kept, oldest first
  std::map<std::int64_t, Json> commits;              ///< summaries by batch
  std::map<std::int64_t, std::int64_t> state_bytes;  ///< logged by batch
  std::string note;                                  ///< a torn end, or damage
};

// These read a checkpoint without its lock and change nothing: a pipeline may run meanwhile. If it
// gets in the way, by removing a file that is being read, they begin anew.

[[nodiscard]] CheckpointView view_checkpoint(const std::string& path);

/// Takes states as recovery does.
struct StateVisitor {
  std::function<void()> begin;  ///< forget what was told: it is told from the beginning
  std::function<void(const std::string& dataset, const NextPiece& next)> state;
  /// The watermarks, of the snapshot and after each batch; the last one counts. May be left out.
  std::function<void(const Json& saved)> event_time = {};
};
/// Reads the states as of the last committed batch. Returns this batch; nullopt: there is none yet.
/// Throws Error.
std::optional<LoggedBatch> read_states(const std::string& path, const std::string& pipeline,
                                       const StateVisitor& visitor);

/// Where a pipeline stands, as of the last committed batch.
struct Standing {
  std::string id;  ///< of the checkpoint
  std::optional<std::int64_t> last_committed;
  std::map<std::string, Json> positions;            ///< by source, of the newest snapshot
  std::map<std::string, std::vector<Json>> slices;  ///< by source, of the batches after it
  Json event_time;                                  ///< the watermarks, and the counts of checks
};
/// nullopt: there is no checkpoint. Throws Error.
std::optional<Standing> read_standing(const std::string& path, const std::string& pipeline);

}  // namespace millrace
