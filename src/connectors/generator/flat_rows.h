// Rows of flat columns in memory, filled value by value and read as a chunk by the formats'
// encoders and by sinks' writers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"

namespace millrace {

/// Columns are set by their place, with the type that the schema gives them, in the row that was
/// added last.
class FlatRows {
 public:
  explicit FlatRows(const Schema& schema, std::size_t capacity = 1)
      : capacity_(capacity), cells_(schema.size()), views_(schema.size()) {
    for (std::size_t c = 0; c < cells_.size(); ++c) {
      cells_[c].values.resize(capacity);
      cells_[c].validity.resize((capacity + 63) / 64);
      cells_[c].texts.resize(capacity);
      views_[c] = {schema.columns[c].physical, cells_[c].values.data(), cells_[c].validity.data()};
    }
  }
  FlatRows(const FlatRows&) = delete;
  FlatRows& operator=(const FlatRows&) = delete;

  [[nodiscard]] bool is_full() const noexcept { return rows_ == capacity_; }
  void clear() noexcept { rows_ = 0; }
  /// One row more, of NULLs.
  void add() noexcept {
    row_ = rows_++;
    for (Column& column : cells_) {
      column.validity[row_ / 64] &= ~(std::uint64_t{1} << (row_ % 64));
    }
  }

  /// A number.
  template <class T>
  void set(std::size_t column, T value) {
    static_assert(std::is_arithmetic_v<T> && sizeof(T) <= sizeof(StringRef));
    auto* values = reinterpret_cast<std::byte*>(cells_[column].values.data());
    std::memcpy(values + row_ * sizeof(T), &value, sizeof(value));
    set_valid(column);
  }
  /// A text, copied.
  void set_text(std::size_t column, std::string_view text) {
    StringRef& value = cells_[column].values[row_];
    value = {};
    value.length = static_cast<std::uint32_t>(text.size());
    set_valid(column);
    if (text.size() <= value.rest.size()) {
      text.copy(value.rest.data(), text.size());
      return;
    }
    std::string& kept = cells_[column].texts[row_];
    kept = text;
    const char* at = kept.data();
    text.copy(value.rest.data(), 4);
    std::memcpy(value.rest.data() + 4, static_cast<const void*>(&at), sizeof(at));
  }
  void set_null(std::size_t column) {
    cells_[column].validity[row_ / 64] &= ~(std::uint64_t{1} << (row_ % 64));
  }

  /// The rows, until the next value is set.
  [[nodiscard]] Chunk chunk() const { return {.rows = rows_, .columns = views_}; }

 private:
  struct Column {
    std::vector<StringRef> values;  // or numbers, one after the other
    std::vector<std::uint64_t> validity;
    std::vector<std::string> texts;  // that are too long for a StringRef
  };

  void set_valid(std::size_t column) {
    cells_[column].validity[row_ / 64] |= std::uint64_t{1} << (row_ % 64);
  }

  std::size_t capacity_;
  std::size_t rows_ = 0;
  std::size_t row_ = 0;
  std::vector<Column> cells_;
  std::vector<ColumnView> views_;
};

}  // namespace millrace
