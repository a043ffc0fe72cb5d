// DuckDB's writers of Parquet and CSV (and JSON lines, which go through the one of CSV).
#pragma once

#include <memory>
#include <string>

#include "sql/internal/file_output.h"

namespace millrace::sql {

/// As FileOutput::make().
[[nodiscard]] std::unique_ptr<FileOutput> copy_output(
    duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
    const duckdb::vector<duckdb::LogicalType>& types, const FileWriterOptions& options);

}  // namespace millrace::sql
