// The inside of Batch: DuckDB's chunks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sql/batch.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Memory of a chunk's rows, roughly; with `kept`, of these columns.
[[nodiscard]] std::int64_t bytes_of(const duckdb::DataChunk& chunk,
                                    const duckdb::vector<bool>& kept = {});

struct Batch::Impl {
  using DuckChunk = std::unique_ptr<duckdb::DataChunk>;

  Impl(const Schema& schema, std::vector<bool> kept_columns);

  /// A chunk with memory for `capacity` rows of the kept columns.
  [[nodiscard]] DuckChunk make_chunk(std::size_t capacity) const;
  /// The last chunk with room for `rows` more, or a new one at the end.
  duckdb::DataChunk& room_for(std::size_t rows);
  /// Copies `count` rows from row `begin` of a chunk to the end.
  void copy(duckdb::DataChunk& from, std::size_t begin, std::size_t count);
  /// Takes over a full chunk with memory of its own.
  void take(DuckChunk chunk);
  /// Called when the last chunk will not grow any more.
  void seal();

  duckdb::vector<duckdb::LogicalType> types;
  duckdb::vector<bool> kept;
  std::vector<DuckChunk> chunks;  // all but the last are sealed
  std::int64_t rows = 0;
  std::int64_t sealed_bytes = 0;  // of all chunks but the last
};

}  // namespace millrace::sql
