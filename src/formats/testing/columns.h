// Columns in plain memory, for the tests and benchmarks of formats: what sql/ makes of DuckDB's
// vectors when millrace runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/chunk.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::testing {

/// A column, or a part of one, that owns its values. Rows that were never written hold zeros.
class MemoryColumn final : public ColumnWriter {
 public:
  MemoryColumn(const Type& type, std::size_t rows);

  /// The value of a row: numbers as numbers if nlohmann's can hold them, else (HUGEINT, DECIMAL) as
  /// their digits; DATE, TIME and TIMESTAMP as their bare numbers; BLOB as its bytes in
  /// hexadecimal.
  [[nodiscard]] nlohmann::json value(std::size_t row) const;
  /// To read the column as an encoder does, until more is written.
  [[nodiscard]] ColumnView view();
  /// Makes it as it was made.
  void clear();

 protected:
  char* allocate(std::size_t bytes) override;
  void grow(std::size_t elements) override;

 private:
  void resize(std::size_t rows);
  [[nodiscard]] bool is_null(std::size_t row) const;
  template <class T>
  [[nodiscard]] const T& at(std::size_t row) const {
    return reinterpret_cast<const T*>(memory_.data())[row];
  }
  [[nodiscard]] nlohmann::json scalar(std::size_t row) const;
  [[nodiscard]] nlohmann::json decimal(std::size_t row) const;

  struct alignas(16) Block {
    unsigned char bytes[16];
  };

  Type type_;
  std::size_t width_;
  std::vector<Block> memory_;
  std::vector<std::uint64_t> valid_;
  std::vector<std::unique_ptr<MemoryColumn>> owned_;  // the parts
  std::vector<ColumnView> views_;                     // of the parts
  // Blocks of text, so that a benchmark measures the decoder and not malloc().
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
  /// A row by its columns' names.
  [[nodiscard]] nlohmann::json row(std::size_t row) const;
  [[nodiscard]] std::span<const ColumnView> views();
  void mark();
  void forget(std::size_t row);
  void clear();

 private:
  Schema schema_;
  std::vector<std::unique_ptr<MemoryColumn>> columns_;
  std::vector<ColumnWriter*> writers_;
  std::vector<ColumnView> views_;
};

}  // namespace millrace::testing
