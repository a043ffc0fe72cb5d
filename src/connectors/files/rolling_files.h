// Files that grow over many batches, and are finished when they are large or old enough.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "connectors/files/output_place.h"
#include "connectors/files/rolling_state.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/file_check.h"
#include "sql/file_merger.h"
#include "sql/file_writer.h"

namespace millrace {

/// The rows of committed batches wait in the checkpoint. A thread merges those of a partition into
/// one file, and publishes it under the name of its first batch: once, when it is finished
/// (`max_file_size`, `roll_interval`), or before that, too, again and again, each time replaced by
/// one with more rows (`visible_within`). A reader sees each row once, and from then on always.
///
/// What was published is noted afterwards (see RollingState): after a crash in between, the same
/// rows are published under the same name once more.
///
/// open(), begin(), committed() and close() by one thread; batches as Sink has it.
class RollingFiles {
 public:
  /// All but `database` must outlive it. `options`: of the files that are published.
  RollingFiles(sql::Database& database, const OutputJob& job, OutputPlace& place,
               const sql::FileWriterOptions& options);
  ~RollingFiles();
  RollingFiles(const RollingFiles&) = delete;
  RollingFiles& operator=(const RollingFiles&) = delete;

  /// Reads what is there, and begins to work. Throws Error if it is of files of another kind.
  void open();
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch);
  void committed(std::int64_t batch);
  /// Publishes all that waits, and ends the work. With `visible_within` files stay open: they go on
  /// growing when it is opened again.
  void close() { end(Until::all_published); }
  /// The same, and finishes all files.
  void finish() { end(Until::all_finished); }

 private:
  /// How far to go.
  enum class Until : std::uint8_t { all_due, all_published, all_finished };
  class Batch;
  /// What a partition needs.
  enum class Work : std::uint8_t {
    nothing,
    merge,    ///< there are many pieces
    publish,  ///< somebody waits for the rows
    finish,   ///< the file is large or old enough
  };
  struct Task {
    Work work = Work::nothing;
    std::size_t pieces = 0;  ///< how many, the first ones, go into the file
    bool by_size = false;
  };
  /// A partition with its task, as it was: pieces may come meanwhile.
  struct Due {
    std::string name;
    RollingPartition partition;
    Task task;
  };

  void work(const std::stop_token& stop);
  bool work_once(Until until, const std::stop_token& stop = {});
  void save();
  void end(Until until);
  [[nodiscard]] Task task_of(const RollingPartition& partition, std::int64_t now_us,
                             Until until) const;
  [[nodiscard]] std::vector<Due> all_due(Until until) const;
  [[nodiscard]] std::int64_t due_us(const RollingPartition& partition) const;
  [[nodiscard]] RollingPartition done(const Due& due, std::vector<std::string>& needless);
  void merge(const Due& due, const std::string& base) const;
  void publish(const std::string& partition, const std::string& name, const std::string& file);
  void wait_for_room();
  void wait_for_work(const std::stop_token& stop, std::chrono::microseconds pause);

  sql::Database& database_;
  const OutputJob job_;
  OutputPlace& place_;
  sql::FileWriterOptions piece_options_;
  Schema columns_;  // of the files
  std::int64_t max_bytes_;
  std::chrono::milliseconds roll_interval_;
  sql::FileMerger merger_;
  std::unique_ptr<sql::FileMerger> finisher_;  // of files that begin with a header
  std::unique_ptr<sql::FileCheck> check_;      // nullptr: nothing is read back

  std::mutex lock_;  // of all below, but not while files are merged and published
  std::condition_variable_any changed_;
  RollingState state_;
  std::map<std::int64_t, std::vector<std::pair<std::string, Piece>>> staged_;  // not committed
  std::int64_t waiting_bytes_ = 0;
  std::int64_t publications_ = 0;
  bool unsaved_ = false;        // the state is ahead of the disk
  std::exception_ptr failure_;  // of the thread, that no waiting mends
  std::jthread worker_;         // last, so that it ends first
};

}  // namespace millrace
