// The rows of a live table, in pages that are never changed once they can be seen.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "core/chunk.h"
#include "sql/internal/column_views.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Of a row that is still there.
inline constexpr std::int64_t kNotEnded = std::numeric_limits<std::int64_t>::max();

/// Up to 2,048 rows, and from when to when each is there: in commits of LiveTables, which number
/// them from 1 on. Only the ends change once readers know the page, and only to a commit that is
/// later than any of them sees.
class LivePage : public std::enable_shared_from_this<LivePage> {
 public:
  LivePage(const duckdb::vector<duckdb::LogicalType>& types, std::size_t capacity);

  /// Copies those rows of a flat chunk to the end, as they will be there from a commit on.
  void append(const duckdb::DataChunk& from, const duckdb::SelectionVector& rows, std::size_t count,
              std::int64_t begin);
  /// The same of another page's rows, each from when on it was there there.
  void append(const LivePage& from, const duckdb::SelectionVector& rows, std::size_t count);
  /// No more rows: counts bytes and describes the columns.
  void seal();
  /// All rows begin with this commit. Before anybody sees them.
  void begin_at(std::int64_t commit);
  void end_row(std::size_t row, std::int64_t commit);

  [[nodiscard]] std::size_t size() const noexcept { return begins_.size(); }
  [[nodiscard]] std::size_t room() const noexcept { return capacity_ - begins_.size(); }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const Chunk& chunk() const noexcept { return chunk_; }
  /// Never changed; not const, as DuckDB's own readers of vectors aren't.
  [[nodiscard]] duckdb::DataChunk& rows() const noexcept { return rows_; }
  /// Soon this row will be read.
  void prefetch(std::size_t row) const noexcept;
  [[nodiscard]] std::int64_t begin(std::size_t row) const noexcept { return begins_[row]; }
  [[nodiscard]] std::int64_t end(std::size_t row) const noexcept {
    return ends_[row].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t last_begin() const noexcept { return last_begin_; }
  [[nodiscard]] bool is_there(std::size_t row, std::int64_t commit) const noexcept {
    return begins_[row] <= commit && end(row) > commit;
  }
  /// Whether all rows are there, as of a commit.
  [[nodiscard]] bool all_there(std::int64_t commit) const noexcept {
    return last_begin_ <= commit && first_end_.load(std::memory_order_relaxed) > commit;
  }
  /// Of the rows that are there and began after another commit: their places. Returns how many.
  std::size_t select(std::int64_t commit, std::int64_t after, duckdb::SelectionVector& to) const;

  std::size_t live = 0;  ///< rows that have not ended; for the writer alone

 private:
  void copy(const duckdb::DataChunk& from, const duckdb::SelectionVector& rows, std::size_t count);

  std::size_t capacity_;
  mutable duckdb::DataChunk rows_;
  std::vector<std::int64_t> begins_;
  std::unique_ptr<std::atomic<std::int64_t>[]> ends_;
  std::atomic<std::int64_t> first_end_ = kNotEnded;
  std::int64_t last_begin_ = 0;
  std::int64_t bytes_ = 0;
  ColumnViews views_;
  Chunk chunk_;
};

using LivePages = std::vector<std::shared_ptr<LivePage>>;

/// A row of a page.
struct LiveRow {
  LivePage* page = nullptr;
  std::uint32_t row = 0;
  bool operator==(const LiveRow&) const = default;
};

/// Gathers rows into pages as full as may be.
class LivePageBuilder {
 public:
  /// `rows`: how many will come.
  LivePageBuilder(const duckdb::vector<duckdb::LogicalType>& types, std::size_t rows)
      : types_(types), left_(rows) {}

  /// Rows of a flat chunk, or a page. Where each is now is given to `placed`, if it is set.
  template <class From, class... Begin>
  void add(const From& from, duckdb::SelectionVector& rows, std::size_t count,
           std::vector<LiveRow>* placed, Begin... begin) {
    for (std::size_t done = 0; done < count;) {
      LivePage& page = last();
      const std::size_t now = std::min(count - done, page.room());
      if (placed != nullptr) {
        for (std::size_t i = 0; i < now; ++i) {
          placed->push_back({&page, static_cast<std::uint32_t>(page.size() + i)});
        }
      }
      const duckdb::SelectionVector part(rows.data() + done);
      page.append(from, part, now, begin...);
      done += now;
      left_ -= now;
    }
  }
  [[nodiscard]] LivePages take();

 private:
  LivePage& last();

  const duckdb::vector<duckdb::LogicalType>& types_;
  std::size_t left_;
  LivePages pages_;
};

}  // namespace millrace::sql
