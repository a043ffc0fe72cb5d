// Files of formats that others know, as outputs of the file writer.
#pragma once

#include <memory>

#include "sql/internal/file_output.h"

namespace millrace::sql {

/// As FileOutput::make().
[[nodiscard]] std::unique_ptr<FileOutput> row_output(
    duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
    const MakeRowFile& make_file);

}  // namespace millrace::sql
