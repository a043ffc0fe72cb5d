// The columns of a chunk that is filled record by record.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/chunk.h"

namespace millrace {

/// Columns whose rows may turn out to be malformed when they are filled half way. Used by one
/// thread.
class RowColumns {
 public:
  /// Before the first row of a chunk: its first `columns` columns.
  void begin(ChunkWriter& to, std::size_t columns);
  /// By column; nullptr: nobody reads it.
  [[nodiscard]] std::span<ColumnWriter* const> all() const noexcept { return columns_; }
  [[nodiscard]] ColumnWriter* operator[](std::size_t column) const noexcept {
    return columns_[column];
  }
  /// Before the first value of a row: what forget() goes back to.
  void mark() const noexcept;
  /// Makes a row as it was when marked.
  void forget(std::size_t row) const noexcept;

 private:
  std::vector<ColumnWriter*> columns_;
  bool has_lists_ = false;
};

/// NULL in all of these columns that somebody reads.
void set_null(std::span<ColumnWriter* const> columns, std::size_t row) noexcept;

}  // namespace millrace
