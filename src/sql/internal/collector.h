// The end of a plan: hands chunks to the receiver instead of keeping them.
#pragma once

#include "sql/internal/duckdb.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Makes DuckDB put our collector on top of every plan that this connection runs.
void use_collector(duckdb::ClientContext& context, RunContext& run);

}  // namespace millrace::sql
