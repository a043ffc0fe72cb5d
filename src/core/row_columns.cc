#include "core/row_columns.h"

#include <algorithm>

namespace millrace {

namespace {

bool has_list(const ColumnWriter& column) {
  return column.is_list() ||
         std::ranges::any_of(column.parts(), [](const auto* part) { return has_list(*part); });
}

}  // namespace

void RowColumns::begin(ChunkWriter& to, std::size_t columns) {
  columns_.clear();
  has_lists_ = false;
  for (std::size_t c = 0; c < columns; ++c) {
    columns_.push_back(to.column(c));
    has_lists_ = has_lists_ || (columns_.back() != nullptr && has_list(*columns_.back()));
  }
}

void RowColumns::mark() const noexcept {
  for (ColumnWriter* column : columns_) {
    if (has_lists_ && column != nullptr) {
      column->mark();
    }
  }
}

void RowColumns::forget(std::size_t row) const noexcept {
  for (ColumnWriter* column : columns_) {
    if (column != nullptr) {
      column->forget(row);
    }
  }
}

void set_null(std::span<ColumnWriter* const> columns, std::size_t row) noexcept {
  for (ColumnWriter* column : columns) {
    if (column != nullptr) {
      column->set_null(row);
    }
  }
}

}  // namespace millrace
