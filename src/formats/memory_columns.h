// Columns in plain memory: what sql/ makes of DuckDB's vectors, for who decodes without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::formats {

/// A column, or a part of one, that owns its values. Rows that were never written hold zeros.
class MemoryColumn final : public ColumnWriter {
 public:
  MemoryColumn(const Type& type, std::size_t rows);

  /// To read the column as an encoder does, until more is written.
  [[nodiscard]] ColumnView view();
  /// Makes it as it was made.
  void clear();

 protected:
  char* allocate(std::size_t bytes) override;
  void grow(std::size_t elements) override;

 private:
  void resize(std::size_t rows);

  struct alignas(16) Block {
    unsigned char bytes[16];
  };

  Physical physical_;
  std::size_t width_;
  std::vector<Block> memory_;
  std::vector<std::uint64_t> valid_;
  std::vector<std::unique_ptr<MemoryColumn>> owned_;  // the parts
  std::vector<ColumnView> views_;                     // of the parts
  // Blocks of text, so that not each text asks for memory.
  std::vector<std::unique_ptr<char[]>> texts_;
  std::size_t text_block_ = 0;
  std::size_t text_used_ = 0;
  std::size_t text_size_ = 0;
};

/// The columns of a schema, with room for so many rows.
class MemoryColumns {
 public:
  explicit MemoryColumns(const Schema& schema, std::size_t rows = kChunkRows);

  [[nodiscard]] std::span<ColumnWriter* const> writers() const { return writers_; }
  [[nodiscard]] std::span<const ColumnView> views();
  void mark();
  void forget(std::size_t row);
  void clear();

 private:
  std::vector<std::unique_ptr<MemoryColumn>> columns_;
  std::vector<ColumnWriter*> writers_;
  std::vector<ColumnView> views_;
};

}  // namespace millrace::formats
