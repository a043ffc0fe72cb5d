// tumble() and hop(): the windows of event time, as functions and as tables.
#pragma once

#include <cstdint>
#include <string_view>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Adds
///   tumble(time, size [, offset])          the start of the window that holds a time
///   hop(time, size, slide [, offset])      the starts of all that do, ascending, as a list
///   FROM tumble(stream, column, size)      the stream's rows with window_start and window_end
///   FROM hop(stream, column, size, slide)  likewise, a row once for each of its windows
///   FROM session(stream, column, gap, key...)  likewise; a session holds rows of one key that are
///                                          less than the gap apart. Of streams only
/// Windows are aligned to 1970-01-01 UTC, plus the offset (a named parameter of the tables), as in
/// Spark and Flink. A window holds its start and not its end. A size is a fixed interval, or (for
/// tumble) months and years.
void register_windows(duckdb::DuckDB& duck);

/// What FROM session(...) calls, OVER (PARTITION BY key): a rewrite replaces it.
inline constexpr std::string_view kSessionStart = "millrace_session_start";
inline constexpr std::string_view kSessionEnd = "millrace_session_end";
[[nodiscard]] bool is_session_function(std::string_view name);
[[nodiscard]] std::int64_t session_gap_us(const duckdb::BoundWindowExpression& call);

/// Whether `FROM name(stream, ...)` reads the stream that is its first argument.
[[nodiscard]] bool is_window_table(std::string_view name);

}  // namespace millrace::sql
