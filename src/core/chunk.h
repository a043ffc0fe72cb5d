// Up to 2,048 rows by columns, as they pass between the parts. Plain views into DuckDB's own
// vectors: connectors read and write them without conversions and without DuckDB's headers.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "core/schema.h"

namespace millrace {

/// Rows in a full chunk: DuckDB's STANDARD_VECTOR_SIZE.
inline constexpr std::size_t kChunkRows = 2048;

/// DuckDB's string_t: 4 bytes of length, then up to 12 bytes inline, or a 4-byte prefix and a
/// pointer (duckdb/common/types/string_type.hpp; sql/ asserts that the layouts agree).
struct StringRef {
  std::uint32_t length = 0;
  std::array<char, 12> rest{};

  [[nodiscard]] std::string_view view() const noexcept {
    if (length <= 12) {
      return {rest.data(), length};
    }
    const char* pointer = nullptr;
    std::memcpy(static_cast<void*>(&pointer), rest.data() + 4, sizeof(pointer));
    return {pointer, length};
  }
};
static_assert(sizeof(StringRef) == 16);

/// One column of a chunk, or a part of a nested one, flat: row i is at data[i]. Valid as long as
/// the chunk is.
struct ColumnView {
  Physical physical = Physical::other;
  const void* data = nullptr;               ///< of a LIST or MAP: ListEntry; of a STRUCT: nothing
  const std::uint64_t* validity = nullptr;  ///< bit i set: row i is not NULL; nullptr: no NULLs
  const ColumnView* first_part = nullptr;   ///< see parts()
  std::size_t part_count = 0;

  /// The fields of a STRUCT, whose rows are its own; 0: the elements of a LIST; 0 and 1: the keys
  /// and values of a MAP. None of any other type, or where only sql/ looks inside. Where a value is
  /// NULL, its parts hold anything.
  [[nodiscard]] std::span<const ColumnView> parts() const noexcept {
    return {first_part, part_count};
  }
  [[nodiscard]] bool is_null(std::size_t row) const noexcept {
    return validity != nullptr && ((validity[row / 64] >> (row % 64)) & 1U) == 0;
  }
  template <class T>
  [[nodiscard]] const T* values() const noexcept {
    return static_cast<const T*>(data);
  }
  [[nodiscard]] std::string_view string(std::size_t row) const noexcept {
    return values<StringRef>()[row].view();
  }
};

/// A chunk to read. Not owned; valid only during the call it is given to.
struct Chunk {
  std::size_t rows = 0;
  std::span<const ColumnView> columns;
  void* native = nullptr;  ///< the duckdb::DataChunk, for sql/ alone
};

/// The elements of a list, or the entries of a map: DuckDB's list_entry_t.
struct ListEntry {
  std::uint64_t offset = 0;  ///< of the first, among those of all rows
  std::uint64_t length = 0;
};

/// DuckDB's interval_t.
struct Interval {
  std::int32_t months = 0;
  std::int32_t days = 0;
  std::int64_t micros = 0;
};

/// A column to fill, or a part of a nested one: the fields of a STRUCT have its rows, those of a
/// LIST or MAP have a row for each element. All rows hold a value until set_null(). Made by sql/.
class ColumnWriter {
 public:
  virtual ~ColumnWriter() = default;

  /// The values of a fixed-size column, to be written by row. They move when a list grows that the
  /// column is part of.
  template <class T>
  [[nodiscard]] T* values() noexcept {
    return static_cast<T*>(data_);
  }
  /// Copies a text, valid UTF-8 for VARCHAR.
  void set_string(std::size_t row, std::string_view text) {
    StringRef& to = values<StringRef>()[row];
    to.length = static_cast<std::uint32_t>(text.size());
    if (text.size() <= to.rest.size()) {
      to.rest = {};  // DuckDB compares all of it
      std::memcpy(to.rest.data(), text.data(), text.size());
      return;
    }
    char* copy = allocate(text.size());
    std::memcpy(copy, text.data(), text.size());
    std::memcpy(to.rest.data(), copy, 4);
    std::memcpy(to.rest.data() + 4, static_cast<const void*>(&copy), sizeof(copy));
  }
  /// Of a STRUCT: of its fields, too.
  void set_null(std::size_t row) noexcept {
    validity_[row / 64] &= ~(std::uint64_t{1} << (row % 64));
    has_nulls_ = true;
    if (!is_list_) {
      for (ColumnWriter* part : parts_) {
        part->set_null(row);
      }
    } else {
      values<ListEntry>()[row] = {};
    }
  }

  /// Whether it is a LIST or MAP.
  [[nodiscard]] bool is_list() const noexcept { return is_list_; }
  /// The fields of a STRUCT; 0: the elements of a LIST; 0 and 1: the keys and values of a MAP.
  [[nodiscard]] std::span<ColumnWriter* const> parts() const noexcept { return parts_; }
  /// Begins the list or map of a row; the rows' lists are written one after the other.
  void begin_list(std::size_t row) noexcept { values<ListEntry>()[row] = {elements_, 0}; }
  /// One element more: its row in the parts.
  std::size_t add_element(std::size_t row) {
    if (elements_ == capacity_) {
      grow(capacity_ * 2);
    }
    values<ListEntry>()[row].length++;
    return elements_++;
  }
  [[nodiscard]] std::size_t elements() const noexcept { return elements_; }

  // For records that turn out to be malformed half way.

  /// What forget() goes back to: before the first value of a row.
  void mark() noexcept {
    marked_ = elements_;
    for (ColumnWriter* part : parts_) {
      part->mark();
    }
  }
  /// Makes a row as it was when marked.
  void forget(std::size_t row) noexcept {
    validity_[row / 64] |= std::uint64_t{1} << (row % 64);
    if (!is_list_) {
      for (ColumnWriter* part : parts_) {
        part->forget(row);
      }
      return;
    }
    while (elements_ > marked_) {
      elements_--;
      for (ColumnWriter* part : parts_) {
        part->forget(elements_);
      }
    }
  }

 protected:
  /// Memory for a text of this column, as long as the chunk lives.
  virtual char* allocate(std::size_t bytes) = 0;
  /// Makes room for so many elements, and sets `capacity_`, and `data_` and `validity_` of the
  /// parts.
  virtual void grow(std::size_t elements) = 0;

  void* data_ = nullptr;
  std::uint64_t* validity_ = nullptr;  // never null
  bool has_nulls_ = false;
  bool is_list_ = false;
  std::vector<ColumnWriter*> parts_;
  std::size_t elements_ = 0;  // of a list or map
  std::size_t marked_ = 0;
  std::size_t capacity_ = 0;
};

/// A chunk to fill: one writer a source's reader, flat columns with room for kChunkRows rows. Made
/// by sql/; strings are copied into the chunk's own memory.
class ChunkWriter {
 public:
  virtual ~ChunkWriter() = default;
  /// nullptr: nobody reads the column, and it need not be filled.
  [[nodiscard]] virtual ColumnWriter* column(std::size_t column) noexcept = 0;

  // The same for those who fill every column: what nobody reads goes nowhere.

  /// The values of a fixed-size column, to be written by row.
  template <class T>
  [[nodiscard]] T* values(std::size_t column) noexcept {
    return static_cast<T*>(data(column));
  }
  void set_string(std::size_t column, std::size_t row, std::string_view text) {
    if (ColumnWriter* to = this->column(column); to != nullptr) {
      to->set_string(row, text);
    }
  }
  void set_null(std::size_t column, std::size_t row) {
    if (ColumnWriter* to = this->column(column); to != nullptr) {
      to->set_null(row);
    }
  }

 protected:
  [[nodiscard]] virtual void* data(std::size_t column) noexcept = 0;
};

}  // namespace millrace
