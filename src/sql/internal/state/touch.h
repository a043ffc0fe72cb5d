// Which groups were touched in a batch, found without a look-up.
#pragma once

#include <cstdint>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Every row of a state table begins with a hidden aggregate of ours: the epoch (batch) in which
/// the row was last updated. With it the rows that exist, and those that this epoch touched, are
/// listed as they are met, without looking into DuckDB's tables.
class TouchList {
 public:
  using Rows = duckdb::unsafe_vector<duckdb::data_ptr_t>;

  /// Forgets what was touched. Epochs count from 1; 0 marks a row that is new.
  void begin(std::uint64_t epoch) {
    if (epoch_ != epoch) {
      epoch_ = epoch;
      touched_.clear();
    }
  }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

  /// Where the hidden aggregate lies in a row.
  void set_offset(duckdb::idx_t offset) noexcept { offset_ = offset; }
  void mark_row(duckdb::data_ptr_t row) {
    auto& last = *reinterpret_cast<std::uint64_t*>(row + offset_);
    if (last == epoch_) {
      return;
    }
    if (last == 0) {
      rows_.push_back(row);
    }
    last = epoch_;
    touched_.push_back(row);
  }

  [[nodiscard]] const Rows& rows() const noexcept { return rows_; }
  [[nodiscard]] const Rows& touched() const noexcept { return touched_; }

 private:
  std::uint64_t epoch_ = 1;
  duckdb::idx_t offset_ = 0;
  Rows rows_;
  Rows touched_;
};

/// The hidden aggregate; only mark_row() writes it.
[[nodiscard]] duckdb::AggregateObject touch_aggregate();
/// A hidden counter, written by ourselves: how often a row of a side table was seen.
[[nodiscard]] duckdb::AggregateObject multiplicity_aggregate();

}  // namespace millrace::sql
