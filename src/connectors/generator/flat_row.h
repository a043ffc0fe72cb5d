// One row of flat columns in memory, filled by value and read as a chunk by the formats' encoders.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"

namespace millrace {

/// Columns are set by their place, with the type that the schema gives them.
class FlatRow {
 public:
  explicit FlatRow(const Schema& schema) : cells_(schema.size()), views_(schema.size()) {
    for (std::size_t c = 0; c < cells_.size(); ++c) {
      views_[c] = {schema.columns[c].physical, &cells_[c].value, &cells_[c].validity};
    }
  }
  FlatRow(const FlatRow&) = delete;
  FlatRow& operator=(const FlatRow&) = delete;

  /// A number.
  template <class T>
  void set(std::size_t column, T value) {
    static_assert(std::is_arithmetic_v<T>);
    std::memcpy(static_cast<void*>(&cells_[column].value), &value, sizeof(value));
    cells_[column].validity = 1;
  }
  /// A text, copied.
  void set_text(std::size_t column, std::string_view text) {
    Cell& cell = cells_[column];
    cell.value = {};
    cell.value.length = static_cast<std::uint32_t>(text.size());
    cell.validity = 1;
    if (text.size() <= cell.value.rest.size()) {
      text.copy(cell.value.rest.data(), text.size());
      return;
    }
    cell.text = text;
    const char* at = cell.text.data();
    text.copy(cell.value.rest.data(), 4);
    std::memcpy(cell.value.rest.data() + 4, static_cast<const void*>(&at), sizeof(at));
  }
  void set_null(std::size_t column) { cells_[column].validity = 0; }

  /// The row, until the next value is set.
  [[nodiscard]] Chunk chunk() const { return {.rows = 1, .columns = views_}; }

 private:
  struct Cell {
    alignas(16) StringRef value;  // or a number, in its first bytes
    std::uint64_t validity = 1;
    std::string text;  // that is too long for `value`
  };

  std::vector<Cell> cells_;
  std::vector<ColumnView> views_;
};

}  // namespace millrace
