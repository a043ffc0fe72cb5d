// The readable copies of tables: what a pipeline's datasets hold as of the last committed batch,
// for look-ups by key, for SQL, and for those who follow what changes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"
#include "sql/batch.h"

namespace millrace::sql {

/// Which batch a reader sees.
struct LiveVersion {
  std::int64_t batch = -1;  ///< -1: none was committed yet
  std::int64_t time_us = 0;
  std::optional<std::int64_t> watermark_us;  ///< the slowest of the pipeline; none: there is none
};

/// A value of a key or parameter; monostate is NULL.
struct DateValue {
  std::int32_t days = 0;  ///< since 1970
};
struct TimestampValue {
  std::int64_t us = 0;  ///< since 1970
};
using ReadValue = std::variant<std::monostate, bool, std::int64_t, double, std::string, DateValue,
                               TimestampValue>;

/// One table, in versions: each batch adds rows and marks those that they replace; what no reader
/// can see any more is given back. One writer; any number of readers, none of whom waits for it.
///
/// Rows lie in pages that are never changed (sql/internal/live_page.h). What is written waits aside
/// until LiveTables::commit(): what an attempt left behind that did not come so far is simply
/// dropped by the next call, or by the commit of another batch.
class LiveTable {
 public:
  /// `key`: the places of the columns that identify a row; empty: it is only ever replaced.
  LiveTable(std::string name, Schema schema, std::vector<std::size_t> key);
  ~LiveTable();
  LiveTable(const LiveTable&) = delete;
  LiveTable& operator=(const LiveTable&) = delete;
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const Schema& schema() const noexcept;
  [[nodiscard]] const std::vector<std::size_t>& key() const noexcept;
  [[nodiscard]] std::int64_t rows() const noexcept;   ///< that are there now
  [[nodiscard]] std::int64_t bytes() const noexcept;  ///< memory: rows, index, history

  // For the writer, once a batch, in which a repeat takes the place of what was written before;
  // visible when LiveTables::commit() says so. Of rows with the same key the last one counts.
  /// New rows, and rows in the place of others with the same key. Of a table with a key.
  void upsert(Batch&& rows, std::int64_t batch);
  /// All rows. Those that are there already, as they are, count as unchanged.
  void replace(Batch&& rows, std::int64_t batch);

  struct Impl;
  [[nodiscard]] Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A moment of all tables: what it sees is kept for as long as it is held. Cheap to copy.
class LiveSnapshot {
 public:
  LiveSnapshot() = default;  ///< of nothing
  [[nodiscard]] const LiveVersion& version() const noexcept;
  /// The last batch that changed a table, as of this moment; -1: none.
  [[nodiscard]] std::int64_t changed_at(const LiveTable& table) const;
  /// Two moments of one process with the same stamp of a table have the same rows. Not so of
  /// changed_at(): a rebuild changes what a batch has left. 0: it holds nothing yet.
  [[nodiscard]] std::int64_t stamp(const LiveTable& table) const;
  /// Rows of a table at this moment.
  [[nodiscard]] std::int64_t rows(const LiveTable& table) const;
  /// The row with a key, a value for each of its columns. Calls `found` with a chunk of the table's
  /// columns and the row's place in it, for use during the call alone. False: there is none, as for
  /// a key with a NULL, or one that its column can't hold. Numbers, texts and times need no
  /// allocation; other types take a text as SQL would cast it. Throws Error (user) if it can't.
  bool find(const LiveTable& table, std::span<const ReadValue> key,
            const std::function<void(const Chunk&, std::size_t)>& found) const;
  /// What changed in a table after a batch, up to this moment: chunks of rows as they are now, and
  /// chunks of rows that are gone, of which only the key counts if there is one. -1: all there is.
  /// False: that is no longer known, and nothing was called.
  bool changes(const LiveTable& table, std::int64_t after,
               const std::function<void(const Chunk& rows, bool gone)>& call) const;
  /// All rows, chunk by chunk, in no order.
  void for_each(const LiveTable& table, const std::function<void(const Chunk&)>& call) const;

  struct Impl;
  explicit LiveSnapshot(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  [[nodiscard]] const Impl* impl() const noexcept { return impl_.get(); }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// All live tables of a pipeline. They outlive its attempts: what was committed stays readable
/// while a system outside is lost.
class LiveTables {
 public:
  /// `history_bytes`: of each table, rows that were removed and are still told of, so that those
  /// who follow changes may fall behind or come back. (Rows that were replaced need not be kept for
  /// that.)
  explicit LiveTables(std::int64_t history_bytes = 64LL << 20);
  ~LiveTables();
  LiveTables(const LiveTables&) = delete;
  LiveTables& operator=(const LiveTables&) = delete;

  /// The table of a name, without regard to case; nullptr: there is none.
  [[nodiscard]] std::shared_ptr<LiveTable> find(std::string_view name) const;
  /// Makes it, or gives the one that is there if it has these columns and this key. One with others
  /// takes its place: readers of the old one find nothing from the next commit on.
  std::shared_ptr<LiveTable> open(const std::string& name, const Schema& schema,
                                  const std::vector<std::size_t>& key);
  [[nodiscard]] std::vector<std::shared_ptr<LiveTable>> all() const;
  [[nodiscard]] std::int64_t bytes() const;  ///< of all tables

  /// All that was written for this batch becomes visible, in all tables at once. A batch may be
  /// committed again, with other rows: after a rebuild. By the writer.
  void commit(const LiveVersion& version);
  [[nodiscard]] LiveSnapshot snapshot() const;
  /// Waits until a batch is visible. False: it was not, until then.
  bool wait_for(std::int64_t batch, std::chrono::steady_clock::time_point until,
                const std::stop_token& stop) const;
  /// Calls back after every commit, on the writer's thread, until the handle is destroyed, which
  /// waits for a call that is under way. The call must be short, and not destroy handles.
  using Handle = std::shared_ptr<void>;
  [[nodiscard]] Handle on_commit(std::function<void(const LiveVersion&)> call);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::sql
