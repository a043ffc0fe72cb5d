// tumble() and hop(): the windows of event time, as functions and as tables.
#pragma once

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Adds
///   tumble(time, size [, offset])          the start of the window that holds a time
///   hop(time, size, slide [, offset])      the starts of all that do, ascending, as a list
///   FROM tumble(stream, column, size)      the stream's rows with window_start and window_end
///   FROM hop(stream, column, size, slide)  likewise, a row once for each of its windows
/// Windows are aligned to 1970-01-01 UTC, plus the offset (a named parameter of the tables), as in
/// Spark and Flink. A window holds its start and not its end. A size is a fixed interval, or (for
/// tumble) months and years.
void register_windows(duckdb::DuckDB& duck);

/// Whether `FROM name(stream, ...)` reads the stream that is its first argument.
[[nodiscard]] bool is_window_table(std::string_view name);

}  // namespace millrace::sql
