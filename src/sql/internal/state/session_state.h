// The rows of open sessions.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"
#include "sql/internal/state/touch.h"
#include "sql/plan.h"

namespace millrace::sql {

/// A session holds rows of one key, each less than the gap after the one before. When a session
/// will end is not known before event time has passed its last row by the gap, and rows between two
/// sessions make them one; so rows are kept until their session is closed.
///
/// Rows have the key columns first, then the time, then the columns to give out.
class SessionState {
 public:
  struct Layout {
    duckdb::vector<duckdb::LogicalType> types;  // of all columns
    duckdb::idx_t keys = 0;                     // the time follows them
    std::int64_t gap_us = 0;
    bool gives_late = false;  // late rows: their whole rows follow these columns
  };
  explicit SessionState(Layout layout) : layout_(std::move(layout)) {}

  /// Where a row lies.
  struct Place {
    std::uint64_t block;
    std::uint32_t row;
    auto operator<=>(const Place&) const = default;
  };
  /// A row with its session.
  struct SessionRow {
    Place place;
    std::int64_t first;  // time of the session's first row
    std::int64_t last;
  };

  void begin_epoch();
  /// Takes rows that are not late; gives their number, and which the others are. Thread-safe.
  duckdb::idx_t add(duckdb::DataChunk& rows, duckdb::SelectionVector& late);
  /// Takes the rows of the sessions that end up to the watermark out of them. They stay where they
  /// are until forget().
  [[nodiscard]] std::vector<SessionRow> close(std::int64_t watermark);
  /// Frees the rows that close() gave.
  void forget(const std::vector<SessionRow>& rows);
  /// The rows of all sessions, which stay open.
  [[nodiscard]] std::vector<SessionRow> open_rows() const;
  [[nodiscard]] const duckdb::DataChunk& block(std::uint64_t number) const {
    return *blocks_.at(number).rows;
  }

  void close_by(TimeBound bound) { bound_ = std::move(bound); }
  [[nodiscard]] const TimeBound& bound() const { return *bound_; }
  [[nodiscard]] std::int64_t watermark() const noexcept { return watermark_; }
  void advance(std::int64_t watermark) { watermark_ = std::max(watermark_, watermark); }
  [[nodiscard]] LateRows take_late();

  /// Visits all rows that are kept, or those of this epoch, in chunks.
  void visit(bool all, const std::function<void(duckdb::DataChunk&)>& visitor) const;
  /// Rows as visit() gave them.
  void restore(duckdb::DataChunk& rows);
  void clear();

  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t touched() const noexcept {
    return static_cast<std::int64_t>(added_.size());
  }
  [[nodiscard]] std::int64_t sessions() const noexcept { return sessions_; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  /// When the session began that will be the first to end, as SQL writes it; empty: there is none.
  [[nodiscard]] std::string oldest_text() const;
  /// The same in microseconds since 1970.
  [[nodiscard]] std::optional<std::int64_t> oldest_us() const;
  /// Rows that this epoch has forgotten.
  [[nodiscard]] std::int64_t forgotten() const noexcept { return forgotten_; }

 private:
  struct Block {
    std::unique_ptr<duckdb::DataChunk> rows;
    std::vector<bool> kept;
    std::uint32_t alive = 0;
    std::int64_t bytes = 0;
  };
  struct Session {
    std::int64_t first;
    std::int64_t last;
    std::vector<Place> rows;
  };
  using Sessions = std::vector<Session>;  // of one key, in the order of time
  using Key = std::unordered_map<std::string, Sessions>::value_type;

  Place append(duckdb::DataChunk& rows, duckdb::idx_t row);
  void insert(Key& key, std::int64_t time, Place place);
  void add_rows(duckdb::DataChunk& rows, const duckdb::SelectionVector& selected,
                duckdb::idx_t count, const Window* times);

  Layout layout_;
  std::mutex lock_;
  std::unordered_map<std::string, Sessions> keys_;
  std::set<std::pair<std::int64_t, Key*>> by_first_end_;  // last row of each key's first session
  std::map<std::uint64_t, Block> blocks_;
  std::uint64_t next_block_ = 0;
  std::vector<Place> added_;  // in this epoch
  LateRows late_;
  std::optional<TimeBound> bound_;
  std::int64_t watermark_ = kNoBound;
  std::int64_t rows_ = 0;
  std::int64_t sessions_ = 0;
  std::int64_t forgotten_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace millrace::sql
