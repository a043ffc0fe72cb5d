// Columns of state as bytes.
#pragma once

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Writes a chunk's rows, column by column: values of a fixed size as words (see words.h) or as
/// they lie in memory, texts as lengths and bytes, all others as DuckDB serializes them, which is
/// ten times slower. Types are not written: the reader knows them.
void write_columns(duckdb::DataChunk& chunk, duckdb::WriteStream& out);
/// Reads them back. Texts stay where they are: the chunk is valid as long as the stream's bytes.
/// Throws duckdb::SerializationException at bytes that end too early.
void read_columns(duckdb::MemoryStream& in, const duckdb::vector<duckdb::LogicalType>& types,
                  duckdb::DataChunk& chunk);

}  // namespace millrace::sql
