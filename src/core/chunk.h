// Up to 2,048 rows by columns, as they pass between the parts. Plain views into DuckDB's own
// vectors: connectors read and write them without conversions and without DuckDB's headers.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

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

/// One column of a chunk, flat: row i is at data[i]. Valid as long as the chunk is.
struct ColumnView {
  Physical physical = Physical::other;
  const void* data = nullptr;
  const std::uint64_t* validity = nullptr;  ///< bit i set: row i is not NULL; nullptr: no NULLs

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

/// A chunk to fill: one writer a source's reader, flat columns with room for kChunkRows rows.
/// Made by sql/; strings are copied into the chunk's own memory.
class ChunkWriter {
 public:
  virtual ~ChunkWriter() = default;
  /// The values of a fixed-size column, to be written by row.
  template <class T>
  [[nodiscard]] T* values(std::size_t column) noexcept {
    return static_cast<T*>(data(column));
  }
  /// Copies the text into row `row` of a string column. The text must be valid UTF-8 for VARCHAR.
  virtual void set_string(std::size_t column, std::size_t row, std::string_view text) = 0;
  virtual void set_null(std::size_t column, std::size_t row) = 0;

 protected:
  [[nodiscard]] virtual void* data(std::size_t column) noexcept = 0;
};

}  // namespace millrace
