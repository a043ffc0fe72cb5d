// DuckDB's chunks as those outside of sql/ read them.
#pragma once

#include <cstddef>
#include <vector>

#include "core/chunk.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// The views of chunks' columns, and of the parts of nested ones. Used again for each chunk, so
/// that a chunk costs no allocation. For one thread.
///
/// Parts of fixed ARRAYs, UNIONs, VARIANTs and STRUCTs without names are not shown, nor are ENUMs:
/// core/type.h has no words for them.
class ColumnViews {
 public:
  ColumnViews() = default;
  ColumnViews(ColumnViews&&) noexcept = default;
  ColumnViews& operator=(ColumnViews&&) noexcept = default;
  ColumnViews(const ColumnViews&) = delete;  // a copy's views would point into this one
  ColumnViews& operator=(const ColumnViews&) = delete;
  ~ColumnViews() = default;

  /// Flattens a chunk and describes its columns, until the next call. All chunks are of the same
  /// types.
  [[nodiscard]] Chunk of(duckdb::DataChunk& chunk);

 private:
  struct Nested;

  /// Makes room for columns of these types.
  void prepare(const duckdb::vector<duckdb::LogicalType>& types);
  /// Where the columns `vector_at(0)`, ... with so many rows lie.
  template <class VectorAt>
  void show(const VectorAt& vector_at, duckdb::idx_t rows);
  void show_parts(duckdb::Vector& whole, duckdb::idx_t rows);

  std::vector<ColumnView> views_;
  std::vector<Nested> nested_;  // the columns that have parts
};

struct ColumnViews::Nested {
  std::size_t column = 0;
  ColumnViews parts;
};

}  // namespace millrace::sql
