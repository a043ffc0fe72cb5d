// Scans CSV files: see FileScanner and CsvRecords for what is a row and what is malformed.
#pragma once

#include <memory>
#include <vector>

#include "sql/internal/file_scan.h"

namespace millrace::sql {

[[nodiscard]] std::unique_ptr<FileScanner> open_csv(Input& input, const FileScan& scan,
                                                    const std::vector<duckdb::column_t>& columns);

}  // namespace millrace::sql
