// Scans files of JSON lines: an object a line; missing keys are NULL, unknown ones left out.
#pragma once

#include <memory>
#include <vector>

#include "sql/internal/file_scan.h"

namespace millrace::sql {

[[nodiscard]] std::unique_ptr<FileScanner> open_json(Input& input, const FileScan& scan,
                                                     const std::vector<duckdb::column_t>& columns);

}  // namespace millrace::sql
