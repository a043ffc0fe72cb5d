// DuckDB's vectors as the columns that readers fill.
#pragma once

#include <memory>
#include <vector>

#include "core/chunk.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// One vector, with those that it is made of.
class VectorWriter final : public ColumnWriter {
 public:
  explicit VectorWriter(const duckdb::LogicalType& type);

  /// Begins to fill a vector of the type; its rows are all valid.
  void attach(duckdb::Vector& vector);
  /// No more rows: what DuckDB must know of them.
  void finish();

 protected:
  char* allocate(std::size_t bytes) override;
  void grow(std::size_t elements) override;

 private:
  /// The memory of the vector, which may be another one now.
  void locate();

  duckdb::Vector* vector_ = nullptr;
  std::vector<std::unique_ptr<VectorWriter>> owned_;  // the parts
};

/// Hands chunks' memory to a reader of ours. Columns that are not kept have memory too, since a
/// reader may not know about them, but nothing of them is looked at.
class DecodingWriter final : public ChunkWriter {
 public:
  DecodingWriter(const duckdb::vector<duckdb::LogicalType>& types,
                 const duckdb::vector<bool>& kept);

  void attach(duckdb::DataChunk& chunk);
  void finish();
  [[nodiscard]] ColumnWriter* column(std::size_t column) noexcept override {
    return columns_[column].get();
  }

 protected:
  [[nodiscard]] void* data(std::size_t column) noexcept override {
    return duckdb::FlatVector::GetData(chunk_->data[column]);
  }

 private:
  duckdb::DataChunk* chunk_ = nullptr;
  std::vector<std::unique_ptr<VectorWriter>> columns_;  // null: not kept
};

}  // namespace millrace::sql
