// Scans Parquet files with DuckDB's reader, columns by name.
#pragma once

#include <memory>
#include <vector>

#include "sql/internal/file_scan.h"

namespace millrace::sql {

[[nodiscard]] std::unique_ptr<FileScanner> open_parquet(
    duckdb::ClientContext& context, Input& input, const FileScan& scan,
    const std::vector<duckdb::column_t>& columns);

}  // namespace millrace::sql
