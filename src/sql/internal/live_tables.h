// The inside of live tables: what is written, what waits for a commit, and what readers hold.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "sql/internal/live_index.h"
#include "sql/internal/live_page.h"
#include "sql/live_tables.h"

namespace millrace::sql {

/// The rows that a commit has ended, by key: for readers of moments before it, who find newer ones
/// in the index.
struct LiveEnded {
  struct Row {
    std::uint64_t hash = 0;
    std::shared_ptr<const LivePage> page;
    std::uint32_t row = 0;
  };
  std::int64_t commit = 0;
  std::shared_ptr<const void> table;  ///< by its address
  std::vector<Row> rows;              ///< in the order of their hashes
};

/// What commits have ended since the oldest moment that somebody holds. Thread-safe.
class LiveEndings {
 public:
  void add(std::vector<LiveEnded> ended);
  void hold(std::int64_t commit);
  void release(std::int64_t commit);
  /// Of the rows of a table with this hash that ended after a commit, the first that `is_it` takes.
  template <class IsIt>
  [[nodiscard]] std::pair<std::shared_ptr<const LivePage>, std::size_t> find(
      const void* table, std::int64_t after, std::uint64_t hash, const IsIt& is_it) const {
    const std::shared_lock guard(lock_);
    for (const LiveEnded& ended : all_) {
      if (ended.commit <= after || ended.table.get() != table) {
        continue;
      }
      for (auto row = std::ranges::lower_bound(ended.rows, hash, {}, &LiveEnded::Row::hash);
           row != ended.rows.end() && row->hash == hash; ++row) {
        if (is_it(*row->page, row->row)) {
          return {row->page, row->row};
        }
      }
    }
    return {};
  }

 private:
  mutable std::shared_mutex lock_;
  std::deque<LiveEnded> all_;  // in the order of their commits
  std::multiset<std::int64_t> held_;
};

/// Which rows of a table a moment sees.
struct LiveMoment {
  std::shared_ptr<LiveTable> table;
  std::shared_ptr<const LivePages> pages;
  std::shared_ptr<const LivePages> gone;  ///< removed rows that are still known, oldest first
  std::int64_t gone_from = 0;  ///< all that were removed after this commit are among them
  std::int64_t changed_at = -1;
  std::int64_t stamp = 0;  ///< the last commit that changed it
  std::int64_t rows = 0;
};

/// A value as DuckDB has it.
[[nodiscard]] duckdb::Value value_of(const ReadValue& value);

struct LiveTable::Impl {
  Impl(std::string table, Schema columns, std::vector<std::size_t> key_columns);

  void write(Batch& batch, std::int64_t id, bool all);
  /// Which rows this commit ends, if something waits for this batch; false: nothing does.
  bool ends(std::int64_t batch, LiveEnded& to) const;
  /// Makes what waits for this batch part of the table, or drops what waits for another.
  /// `now` is what readers saw of it before, and see from now on.
  void commit(std::int64_t batch, std::int64_t commit, std::int64_t history_bytes, LiveMoment& now);

  /// A key's bytes in a row; of a table without, all the row's.
  void append_key(duckdb::DataChunk& rows, std::size_t row, std::string& to) const;
  [[nodiscard]] bool has_key(duckdb::DataChunk& rows, std::size_t row,
                             const std::string& key) const;
  /// The bytes of a key that is looked up; false: no row can have it.
  [[nodiscard]] bool key_bytes(std::span<const ReadValue> values, std::string& to) const;

  std::string name;
  Schema schema;
  std::vector<std::size_t> key;
  duckdb::vector<duckdb::LogicalType> types;
  LiveIndex index;  ///< of committed rows; of a table with a key
  std::atomic<std::int64_t> rows = 0;
  std::atomic<std::int64_t> bytes = 0;

 private:
  class Incoming;
  struct NewRow {
    std::uint64_t hash = 0;
    LiveRow at;
    LiveRow before;  ///< that it replaces; no page: none
  };
  /// What was written and is not committed.
  struct Waiting {
    std::int64_t batch = -1;
    LivePages pages;
    std::vector<NewRow> rows;   ///< of a table with a key
    std::vector<LiveRow> gone;  ///< page by page
  };

  void place(Incoming& in);
  [[nodiscard]] std::uint64_t hash_of(LiveRow row) const;
  void apply(std::int64_t commit);
  void keep_gone(std::int64_t commit, std::int64_t history_bytes);
  void merge(std::size_t most_rows);
  void move_in_index(const std::vector<LiveRow>& from, const std::vector<LiveRow>& to);
  void count();

  LivePages pages_;
  LivePages gone_;
  std::int64_t gone_from_ = 0;
  Waiting waiting_;
};

struct LiveSnapshot::Impl {
  /// From which commit on a batch was visible, and each after it from the next one on.
  struct Run {
    std::int64_t batch = 0;
    std::int64_t commit = 0;
  };

  explicit Impl(std::shared_ptr<LiveEndings> of, std::int64_t number)
      : endings(std::move(of)), commit(number) {
    endings->hold(commit);
  }
  ~Impl() { endings->release(commit); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] const LiveMoment* of(const LiveTable& table) const;
  /// The first commit of a batch, or the last before it; nullopt: not known.
  [[nodiscard]] std::optional<std::int64_t> commit_of(std::int64_t batch) const;

  std::shared_ptr<LiveEndings> endings;
  std::int64_t commit = 0;
  LiveVersion version;
  std::vector<LiveMoment> tables;
  std::shared_ptr<const std::vector<Run>> runs;
};

struct LiveTables::Impl {
  explicit Impl(std::int64_t history) : history_bytes(history) {}

  std::int64_t history_bytes;
  std::shared_ptr<LiveEndings> endings = std::make_shared<LiveEndings>();

  mutable std::mutex lock;  ///< of the next ones
  mutable std::condition_variable_any committed;
  std::vector<std::shared_ptr<LiveTable>> tables;
  std::shared_ptr<const LiveSnapshot::Impl> now;  ///< null: nothing was committed

  std::mutex calling;  ///< held while callbacks run
  std::list<std::function<void(const LiveVersion&)>> calls;
};

}  // namespace millrace::sql
