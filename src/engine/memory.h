// The memory limit, where DuckDB alone does not keep it.
#pragma once

#include "engine/graph.h"
#include "sql/database.h"

namespace millrace {

/// Throws Error if state, and live tables of so many bytes, have outgrown the memory limit. DuckDB
/// counts what lies in its own buffers; here the rest is counted, too: lists of groups, and
/// aggregates with memory of their own, which only the size of the process tells: that may be as
/// large as the limit, or as `process_bytes`, what all its pipelines may have together.
void check_memory(const Graph& graph, const sql::Database& database, std::int64_t live_bytes = 0,
                  std::int64_t process_bytes = 0);

/// What a person can do about it: names the dataset with the largest state. `reason`: more about
/// it, such as what DuckDB said; may be empty.
[[nodiscard]] Error out_of_memory(const Graph& graph, const sql::Database& database,
                                  const std::string& reason, std::int64_t live_bytes = 0);

}  // namespace millrace
