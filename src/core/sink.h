// The contract of a sink: rows in, visible exactly once, whatever happens in between.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  OutputMode preferred_for_tables = OutputMode::complete;
  std::string guarantee;  ///< for people: "exactly once: files are renamed into place ..."
};

/// What a sink gets to know before its first batch.
struct SinkStart {
  Schema schema;
  OutputMode mode = OutputMode::append;
  std::vector<std::string> key;                ///< update: columns that identify a row
  std::optional<std::int64_t> last_committed;  ///< batch id; none: a fresh checkpoint
  std::string pipeline;                        ///< the pipeline's name
  std::string checkpoint;  ///< its id: another one is another life of the pipeline
};

/// What a sink did in a batch.
struct SinkStats {
  std::int64_t rows = 0;  ///< without those that it refused
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
  /// Everything is written and synced, but nobody sees it.
  virtual void stage() = 0;
  /// Makes the batch visible, durably. Must be repeatable: after a crash between publish() and the
  /// commit log, the same batch runs again with the same rows.
  virtual void publish() = 0;
  /// Complete after stage().
  [[nodiscard]] virtual SinkStats stats() const = 0;
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
  /// A SELECT that reads what was written, for `millrace query`; empty if it can't be read back.
  [[nodiscard]] virtual std::string query() const { return {}; }
};

}  // namespace millrace
