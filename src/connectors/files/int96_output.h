// Rows as Parquet files with INT96 timestamps.
#pragma once

#include "connectors/files/options.h"
#include "core/schema.h"
#include "sql/file_writer.h"

namespace millrace {

/// Makes such files; `columns`: those that go into them. Throws Error (user) for columns of a type
/// that it does not write.
[[nodiscard]] sql::MakeRowFile int96_files(const FilesSinkOptions& options, Schema columns);

}  // namespace millrace
