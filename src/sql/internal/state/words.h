// Columns of 8-byte words as few bytes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Up to a vector of words.
using Words = std::array<std::int64_t, STANDARD_VECTOR_SIZE>;

/// Writes words as the least one and what each is above it, in as many bytes as the greatest needs:
/// counts, keys and times take one to four bytes instead of eight.
void write_words(const std::int64_t* words, duckdb::idx_t count, duckdb::WriteStream& out);
/// Reads them back. Throws duckdb::SerializationException at bytes that are no words.
void read_words(duckdb::MemoryStream& in, duckdb::idx_t count, std::int64_t* words);

/// Writes several columns of words, of the same rows. One that equals an earlier one, as the count
/// inside avg(x) equals count(*), is a reference to it.
class WordsWriter {
 public:
  explicit WordsWriter(duckdb::idx_t count) : count_(count) {}

  /// Room for a column, to be filled before it is written.
  [[nodiscard]] Words& next() { return columns_.emplace_back(); }
  /// Writes the column that next() gave last.
  void write(duckdb::WriteStream& out);

 private:
  duckdb::idx_t count_;
  std::deque<Words> columns_;
};

/// Reads what a WordsWriter has written.
class WordsReader {
 public:
  explicit WordsReader(duckdb::idx_t count) : count_(count) {}

  /// Throws duckdb::SerializationException.
  const Words& read(duckdb::MemoryStream& in);

 private:
  duckdb::idx_t count_;
  std::deque<Words> columns_;
};

}  // namespace millrace::sql
