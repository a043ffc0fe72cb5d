// Which groups there are, and which were touched in a batch, found without a look-up.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// What rows of a state belong to that are forgotten together: for an aggregation by windows, a
/// value of the column whose bound closes them; for deduplication, a time to expire at.
using Window = std::int64_t;
/// Of states that forget nothing.
inline constexpr Window kNoWindow = 0;
/// Before and after all windows.
inline constexpr Window kBeforeAll = std::numeric_limits<std::int64_t>::min();
inline constexpr Window kAfterAll = std::numeric_limits<std::int64_t>::max();

/// Every row of a state table begins with a hidden aggregate of ours: the epoch (batch) in which
/// the row was last updated. With it the rows that exist, and those that this epoch touched, are
/// listed as they are met, window by window, without looking into DuckDB's tables.
class TouchList {
 public:
  using Rows = duckdb::unsafe_vector<duckdb::data_ptr_t>;
  /// The rows of one window.
  struct Lists {
    Rows rows;
    Rows touched;
  };

  /// Forgets what was touched. Epochs count from 1; 0 marks a row that is new.
  void begin(std::uint64_t epoch);
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

  /// Where the hidden aggregate lies in a row.
  void set_offset(duckdb::idx_t offset) noexcept { offset_ = offset; }
  void mark_row(duckdb::data_ptr_t row, Window window = kNoWindow) {
    auto& last = stamp(row);
    if (last == epoch_) {
      return;
    }
    Lists& lists = window == last_window_ && last_lists_ != nullptr ? *last_lists_ : find(window);
    if (last == 0) {
      lists.rows.push_back(row);
      ++rows_;
    }
    last = epoch_;
    lists.touched.push_back(row);
    ++touched_;
  }
  /// Marks all rows.
  void touch_all();
  /// The epoch in which a row was last marked; 0: never.
  [[nodiscard]] std::uint64_t marked(duckdb::data_ptr_t row) const { return stamp(row); }
  [[nodiscard]] bool is_forgotten(duckdb::data_ptr_t row) const { return stamp(row) == kForgotten; }

  [[nodiscard]] const std::map<Window, Lists>& windows() const noexcept { return windows_; }
  /// Calls visit(rows, windows, count) for all rows or the touched ones, up to a vector at a time.
  template <class Visit>
  void visit(bool all, const Visit& visit) const;
  [[nodiscard]] duckdb::idx_t rows() const noexcept { return rows_; }
  [[nodiscard]] duckdb::idx_t touched() const noexcept { return touched_; }
  /// Rows that lie in the table and belong to no window any more.
  [[nodiscard]] duckdb::idx_t forgotten() const noexcept { return forgotten_; }
  /// Forgets the windows before `bound`.
  void forget_before(Window bound);
  /// About what the lists take.
  [[nodiscard]] std::int64_t bytes() const noexcept {
    return static_cast<std::int64_t>(((rows_ + touched_) * sizeof(duckdb::data_ptr_t)) +
                                     (windows_.size() * (sizeof(Lists) + kNodeBytes)));
  }

 private:
  static constexpr std::size_t kNodeBytes = 48;
  static constexpr std::uint64_t kForgotten = std::numeric_limits<std::uint64_t>::max();

  [[nodiscard]] std::uint64_t& stamp(duckdb::data_ptr_t row) const {
    return *reinterpret_cast<std::uint64_t*>(row + offset_);
  }
  Lists& find(Window window);

  std::uint64_t epoch_ = 1;
  duckdb::idx_t offset_ = 0;
  std::map<Window, Lists> windows_;
  Window last_window_ = kNoWindow;  // the one found last
  Lists* last_lists_ = nullptr;
  duckdb::idx_t rows_ = 0;
  duckdb::idx_t touched_ = 0;
  duckdb::idx_t forgotten_ = 0;
};

template <class Visit>
void TouchList::visit(bool all, const Visit& visit) const {
  // Small windows share a vector.
  std::array<duckdb::data_ptr_t, STANDARD_VECTOR_SIZE> rows;
  std::array<Window, STANDARD_VECTOR_SIZE> windows;
  duckdb::idx_t count = 0;
  for (const auto& [window, lists] : windows_) {
    for (const duckdb::data_ptr_t row : all ? lists.rows : lists.touched) {
      rows[count] = row;
      windows[count++] = window;
      if (count == STANDARD_VECTOR_SIZE) {
        visit(rows.data(), windows.data(), count);
        count = 0;
      }
    }
  }
  if (count > 0) {
    visit(rows.data(), windows.data(), count);
  }
}

/// An aggregate of the size of `Word`, zero at first, that DuckDB never writes, only ourselves.
template <class Word>
[[nodiscard]] duckdb::AggregateObject hidden_aggregate(const char* name) {
  const duckdb::AggregateFunction function(
      name, {}, duckdb::LogicalType::BIGINT,
      [](const duckdb::AggregateFunction&) -> duckdb::idx_t { return sizeof(Word); },
      [](const duckdb::AggregateFunction&, duckdb::data_ptr_t state) {
        std::memset(state, 0, sizeof(Word));
      },
      [](duckdb::Vector[], duckdb::AggregateInputData&, duckdb::idx_t, duckdb::Vector&,
         duckdb::idx_t) {},
      nullptr, nullptr, duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING);
  return {function,
          nullptr,
          0,
          sizeof(Word),
          duckdb::AggregateType::NON_DISTINCT,
          duckdb::PhysicalType::INT64};
}

/// The hidden aggregate; only mark_row() writes it.
[[nodiscard]] duckdb::AggregateObject touch_aggregate();
/// A hidden counter, written by ourselves: how often a row of a side table was seen.
[[nodiscard]] duckdb::AggregateObject multiplicity_aggregate();

}  // namespace millrace::sql
