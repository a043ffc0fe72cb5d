// The contract of a source: what it can give, in slices that can be given again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/chunk.h"
#include "core/schema.h"

namespace millrace {

using Json = nlohmann::json;

/// A row that could not be decoded, kept where a person can look at it and replay it.
struct MalformedRow {
  /// Where a message was, and what it had beside its value.
  struct Message {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    std::int64_t timestamp_ms = -1;  ///< -1: it has none
    std::string key;
  };
  std::string origin;     ///< the file, or topic and partition
  std::int64_t line = 0;  ///< line in the file (from 1), or offset; 0: unknown
  std::string column;     ///< the column at fault, if one is
  std::string raw;        ///< its bytes as they were read, all of them, without the line end
  std::string reason;
  int part = 0;  ///< of a record too long to be held in memory: 1, 2, ..., whose raw bytes follow
                 ///< each other; 0: the record is whole
  std::optional<Message> message = std::nullopt;
};

/// Takes the malformed rows of one source while a batch runs.
class MalformedReceiver {
 public:
  virtual ~MalformedReceiver() = default;
  /// Called by several threads at once. Throws Error if the row can't be kept.
  virtual void add(const MalformedRow& row) = 0;
  /// A row that is not kept, only counted.
  virtual void drop() {}
};

/// What to do with a malformed row. Spark's PERMISSIVE, DROPMALFORMED and FAILFAST.
enum class OnMalformed : std::uint8_t { quarantine, drop, fail };

/// A part of a source that one batch reads. `offsets` is written to the offset log before the batch
/// runs, and is enough to read the same rows again.
struct Slice {
  Json offsets;
  std::string text;                  ///< for people: "3 files, 1.2 MB"
  std::optional<std::int64_t> rows;  ///< if known beforehand
  std::optional<std::int64_t> bytes;
};

/// Files that DuckDB scans inside the plan, with its own readers.
struct FileScan {
  struct File {
    std::string path;
    std::int64_t size = 0;
    std::int64_t mtime_ns = 0;  ///< with the size, how a changed file is recognised
  };
  std::vector<File> files;
};

/// Gives the rows of a slice, chunk by chunk. Used by one thread.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// Fills up to kChunkRows rows; 0 at the end of the slice.
  virtual std::size_t read(ChunkWriter& to) = 0;
  /// Readers of about so many rows each, in the order of the slice, which together give the same
  /// rows as this one and may be used by different threads. Before the first read(). None: the rows
  /// are few, or can only be read one after the other.
  [[nodiscard]] virtual std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const {
    (void)rows;
    return {};
  }
};

/// split() of rows that are a function of their place: make(from, to) for the parts of a range.
template <class Make>
[[nodiscard]] std::vector<std::unique_ptr<RowReader>> split_range(std::int64_t from,
                                                                  std::int64_t to,
                                                                  std::int64_t rows,
                                                                  const Make& make) {
  std::vector<std::unique_ptr<RowReader>> parts;
  for (; to - from > rows || (!parts.empty() && from < to); from += rows) {
    parts.push_back(make(from, std::min(from + rows, to)));
  }
  return parts;
}

/// How a slice is read: by DuckDB's file readers, by a reader of ours, or by SQL over the embedded
/// store.
struct SqlScan {
  std::string query;  ///< a SELECT over attached stores
};
using SliceInput = std::variant<FileScan, std::unique_ptr<RowReader>, SqlScan>;

/// Gives slices one after the other; nullopt at the end.
using Slices = std::function<std::optional<Slice>()>;

/// How DuckDB reads a source's files. Fixed for the life of a source.
struct FileFormat {
  enum class Kind : std::uint8_t { csv, json, parquet };
  Kind kind = Kind::csv;
  OnMalformed on_malformed = OnMalformed::quarantine;
  // CSV only:
  bool header = true;
  char delimiter = ',';
  char quote = '"';
  char escape = '"';
  std::string null_text;         ///< an unquoted field equal to this is NULL
  std::string timestamp_format;  ///< strptime; empty: ISO 8601
  std::string date_format;
  std::int64_t max_line_bytes = 16 * 1024 * 1024;
};

/// A system that gives rows: files, a topic, a table. Used by one thread, except wake().
///
/// Life: open() once; then plan() and read() a batch, committed() after its commit. After a
/// restart: open() with the last snapshot's position, advance() past each slice logged since.
class Source {
 public:
  virtual ~Source() = default;

  /// The columns it gives. May look at the system (a Parquet file's footer) the first time.
  virtual const Schema& schema() = 0;
  /// Set for sources whose slices are FileScans.
  [[nodiscard]] virtual std::optional<FileFormat> file_format() const { return std::nullopt; }

  /// Starts at `position` (as position() gave it), or where the options say if there is none.
  virtual void open(const std::optional<Json>& position) = 0;
  /// Everything given so far, as of the last advance(). Goes into snapshots.
  [[nodiscard]] virtual Json position() const = 0;
  /// The next slice within the limits of the options, or nothing if nothing new is there. Does not
  /// move: only advance() does. `now` is the batch's time in microseconds since 1970.
  virtual std::optional<Slice> plan(std::int64_t now) = 0;
  /// Moves past a slice: a planned one whose batch was logged, or a logged one at a restart.
  virtual void advance(const Json& offsets) = 0;
  /// The rows of a slice, the same at each call. What a RowReader can't decode goes to
  /// `malformed`, which outlives it.
  virtual SliceInput read(const Json& offsets, MalformedReceiver& malformed) = 0;
  /// The batch that holds these slices is committed: acknowledge, archive, clean up.
  virtual void committed(const Json& offsets) { (void)offsets; }

  /// Why rows that were given can't be given again; nullopt: history() gives them.
  [[nodiscard]] virtual std::optional<std::string> why_no_history() const {
    return "its rows are gone once they were read";
  }
  /// Everything given so far, as of the last advance(), from the beginning and in the same order:
  /// for state that is made anew. Slices for read(), none so large that a person who wants to stop
  /// has to wait; they need not be those of the batches. Doesn't move; used up before the next
  /// advance(). Throws Error if something is not as it was when it was read.
  [[nodiscard]] virtual Slices history() {
    return [] { return std::nullopt; };
  }

  /// trigger `available_now` and `once`: what is there now is the end; plan() gives no more.
  virtual void stop_at_present() = 0;
  /// True when plan() can never give anything again (a generator that made all its rows).
  [[nodiscard]] virtual bool finished() const { return false; }
  /// Waits until there may be something new, `until` has come, or the stop was requested.
  virtual void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) = 0;
};

}  // namespace millrace
