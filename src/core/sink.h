// The contract of a sink: rows in, visible exactly once, whatever happens in between.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/trouble.h"
#include "core/chunk.h"
#include "core/malformed.h"
#include "core/schema.h"

namespace millrace {

/// What a sink is told of a result (Spark's output modes).
enum class OutputMode : std::uint8_t {
  append,    ///< new rows, final once written
  update,    ///< new and changed rows, upserted by key
  complete,  ///< the whole table, replaced at once
};
[[nodiscard]] std::string_view name_of(OutputMode mode) noexcept;

/// What a sink can do, for checks and for `explain`.
struct SinkTraits {
  bool append = false;
  bool update = false;
  bool complete = false;
  bool deletes = false;  ///< takes SinkStart::delete_column
  /// complete: the table is replaced in parts, each of rows with the same values in these columns,
  /// and only those in which a row has changed; see SinkBatch::changed(). Empty: as a whole.
  std::vector<std::string> replaced_by;
  OutputMode preferred_for_tables = OutputMode::complete;
  std::string guarantee;  ///< for people: "exactly once: files are renamed into place ..."
};

/// What a sink gets to know before its first batch.
struct SinkStart {
  Schema schema;
  OutputMode mode = OutputMode::append;
  std::vector<std::string> key;  ///< update: columns that identify a row
  /// update: a BOOLEAN column of the schema that is not written; where it is true, the row of this
  /// key is to be deleted, and its other columns may hold anything. Empty: there is none.
  std::string delete_column;
  std::optional<std::int64_t> last_committed;  ///< batch id; none: a fresh checkpoint
  std::string pipeline;                        ///< the pipeline's name
  std::string checkpoint;  ///< its id: another one is another life of the pipeline
  /// A folder of the checkpoint for what is on its way to another system, of this sink alone. It
  /// may not be there yet, and what is in it may be removed at any start.
  std::string staging;
  /// Another one, for committed rows that wait to be seen. It may not be there yet either; what is
  /// in it stays for as long as the checkpoint.
  std::string folder;
  /// For a sink that tries again by itself.
  TellTrouble tell_trouble = [](const std::string&) {};
};

/// The columns that are written: without the one that tells of deleted rows.
[[nodiscard]] Schema written_columns(const SinkStart& start);

/// A batch that a sink's system has, with the id of the checkpoint that counts it.
struct PublishedBatch {
  std::string checkpoint;
  std::int64_t batch = 0;
};
/// Whether what a system has is of this life of the pipeline, and not more than the checkpoint
/// knows or may not know yet. Throws Error (user) if not: rows of another life must neither be
/// taken for ours nor be joined by them. `target` names the table for people: "table totals of
/// shop".
void check_published(const PublishedBatch& there, const SinkStart& start, std::string_view target);

/// What a sink did in a batch.
struct SinkStats {
  std::int64_t rows = 0;  ///< without those that it refused
  std::int64_t kept = 0;  ///< rows of parts in which nothing changed, and which stay as they are
  std::int64_t bytes = 0;
  std::int64_t files = 0;
};

/// Writes rows of the current batch. One a thread; write() is never called by two at once.
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  virtual void write(const Chunk& chunk) = 0;
  /// No more rows from this writer in this batch.
  virtual void finish() = 0;
};

/// One batch on its way into a sink: writers on any threads, then stage, then publish. Destroyed
/// before publish(), it leaves nothing that anybody could see.
class SinkBatch {
 public:
  virtual ~SinkBatch() = default;
  virtual std::unique_ptr<SinkWriter> writer() = 0;  ///< may be called by several threads at once
  /// For sinks with SinkTraits::replaced_by, before the first writer() is called: takes the rows
  /// that have changed, which are then given to writer() once more, among all others. May be called
  /// by several threads at once.
  virtual std::unique_ptr<SinkWriter> changed() { return nullptr; }
  /// Everything is written and synced, but nobody sees it.
  virtual void stage() = 0;
  /// Makes the batch visible, durably. Must be repeatable: after a crash between publish() and the
  /// commit log, the same batch runs again with the same rows.
  virtual void publish() = 0;
  /// Complete after stage().
  [[nodiscard]] virtual SinkStats stats() const = 0;
};

/// What is to be made of what was written before; see Sink::compact().
struct CompactOptions {
  std::int64_t target_bytes = 0;  ///< of a file: smaller ones are put together up to this size
  bool dry_run = false;           ///< only count
  std::stop_token stop;
};
/// What became of it.
struct Compacted {
  std::int64_t files = 0;  ///< small ones that were put together
  std::int64_t into = 0;   ///< how many they are now
  std::int64_t bytes = 0;  ///< of the small ones
};

/// A system that takes rows, batch by batch.
///
/// While a batch is staged and published on one thread, the next one may begin and be written on
/// others; they are published in order, and there are never more than two. A sink that can't have
/// both open lets the writer() of the later one wait for the end of the earlier one.
class Sink {
 public:
  virtual ~Sink() = default;
  [[nodiscard]] virtual SinkTraits traits() const = 0;

  /// Removes or recognises whatever a batch after the last committed one left behind. Called again
  /// after an Error with Retry::yes: the system is not there yet.
  virtual void open(const SinkStart& start) = 0;
  /// The time of the batch that begins next, in microseconds since 1970: later than that of any
  /// batch before it, and the same whenever the batch is repeated. For systems that order writes by
  /// time, where a row that is written again must not win over what came after it.
  virtual void next_batch_time(std::int64_t time_us) { (void)time_us; }
  /// With SinkTraits::replaced_by: the batch that begins next has changes everywhere. A part that
  /// it has no row of is no longer in the table.
  virtual void next_batch_is_whole() {}
  /// Rows that can't be written, whatever is done, go to `refused`: the same ones whenever the
  /// batch is repeated. The batch must not outlive the sink and `refused`.
  [[nodiscard]] virtual std::unique_ptr<SinkBatch> begin(std::int64_t batch,
                                                         MalformedReceiver& refused) = 0;
  /// Whether a batch that the checkpoint doesn't have as committed is there already, from an
  /// earlier process, and would not be written again when it is repeated. After open().
  [[nodiscard]] virtual bool has_published(std::int64_t batch) const {
    (void)batch;
    return false;
  }
  /// A batch is in the checkpoint, and will not be repeated. The next one may have begun. Called
  /// soon after, or not at all if the process ends: then open() tells.
  virtual void committed(std::int64_t batch) { (void)batch; }
  /// The run ends in order: what was committed becomes visible, if it still waits for that. No
  /// batch is open. Throws Error; the next run then makes up for it.
  virtual void close() {}
  /// Makes fewer, larger files of small ones, between batches; `say` hears of each. Throws Error,
  /// also if there is nothing of the kind.
  virtual Compacted compact(const CompactOptions& options,
                            const std::function<void(const std::string&)>& say);
  /// A SELECT that reads what was written, for `millrace query`; empty if it can't be read back.
  [[nodiscard]] virtual std::string query() const { return {}; }
};

}  // namespace millrace
