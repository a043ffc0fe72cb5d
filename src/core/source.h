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
#include "core/malformed.h"
#include "core/schema.h"

namespace millrace {

class KeyLookup;
class ObjectStore;

using Json = nlohmann::json;

/// A part of a source that one batch reads. `offsets` is written to the offset log before the batch
/// runs, and is enough to read the same rows again.
struct Slice {
  Json offsets;
  std::string text;                  ///< for people: "3 files, 1.2 MB"
  std::optional<std::int64_t> rows;  ///< if known beforehand
  std::optional<std::int64_t> bytes;
};

/// How far a source is behind its system.
struct Lag {
  Json latest;             ///< where the system's rows end, in the form of the source's offsets
  Json behind;             ///< what was not given yet, by partition: {"orders": {"0": 12}}
  std::int64_t total = 0;  ///< of all partitions
};

/// Files of a slice: to be scanned inside the plan, or read by us.
struct FileScan {
  struct File {
    std::string path;
    std::int64_t size = 0;
    std::int64_t mtime_ns = 0;  ///< with the size, how a changed file is recognised
    std::string etag;           ///< of an object: the same for the same content
  };
  std::vector<File> files;
  /// Where the files are; their paths are its URLs then. Null: on this machine.
  std::shared_ptr<const ObjectStore> store;  // shared with the source, and what scans them
  std::string mount;                         ///< what sql::Database::mount() gave for it
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
  /// `permissive`: a column of the schema, VARCHAR, that no field fills: the text of a malformed
  /// row, NULL in others; empty: none.
  std::string corrupt_record_column;
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
  /// move: only advance() does. `now` is the batch's time in microseconds since 1970. An Error with
  /// Retry::yes makes the pipeline wait and ask again.
  virtual std::optional<Slice> plan(std::int64_t now) = 0;
  /// Moves past a slice: a planned one whose batch was logged, or a logged one at a restart.
  virtual void advance(const Json& offsets) = 0;
  /// The rows of a slice, the same at each call. What a RowReader can't decode goes to
  /// `malformed`, which outlives it.
  virtual SliceInput read(const Json& offsets, MalformedReceiver& malformed) = 0;
  /// Whether slices of a table with the same offsets have the same rows, so that it need not be
  /// read again.
  [[nodiscard]] virtual bool offsets_tell_change() const { return false; }
  /// The batch that holds these slices is committed: acknowledge, archive, clean up.
  virtual void committed(const Json& offsets) { (void)offsets; }

  /// What finds its rows by the values of these columns of its schema, for `as: lookup`; nullptr: a
  /// source of this kind can't. Asks the system for nothing yet. The source outlives what is given.
  /// Throws Error (user) if these columns can't be looked up by.
  [[nodiscard]] virtual std::unique_ptr<KeyLookup> lookup(const std::vector<std::size_t>& key);

  /// The rows of records that were malformed when they were read, in the same order; what is still
  /// malformed goes to `malformed` again. All three outlive what is given. `folder`: an empty one
  /// for what has to be written down first.
  virtual SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                                MalformedReceiver& malformed);
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

  /// As far as is known without asking the system; nullopt: nothing is known.
  [[nodiscard]] virtual std::optional<Lag> lag() const { return std::nullopt; }

  /// trigger `available_now` and `once`: what is there now is the end; plan() gives no more. Called
  /// again after an Error with Retry::yes.
  virtual void stop_at_present() = 0;
  /// True when plan() can never give anything again (a generator that made all its rows).
  [[nodiscard]] virtual bool finished() const { return false; }
  /// Waits until there may be something new, `until` has come, or the stop was requested.
  virtual void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) = 0;
};

}  // namespace millrace
