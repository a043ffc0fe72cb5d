// Work that DuckDB's threads share.
#pragma once

#include <functional>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Calls call(0), ..., call(count - 1), each once, from this thread and DuckDB's. Returns when all
/// have returned; after an exception no more are begun, and it is thrown here.
void for_each_in_parallel(duckdb::ClientContext& context, duckdb::idx_t count,
                          const std::function<void(duckdb::idx_t)>& call);

}  // namespace millrace::sql
