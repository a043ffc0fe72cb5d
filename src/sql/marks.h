// Duplicates that are to be told, and not left out.
#pragma once

#include <string_view>

namespace millrace::sql {

/// A `SELECT DISTINCT ON (...) ..., true AS <this>` over a stream, its last column, gives all rows
/// out: in those that it would leave out the column is false. Rows without an event time, or that
/// come too late to be told, count as the first of their kind. For SQL that millrace writes itself:
/// the name is no user's.
inline constexpr std::string_view kFirstColumn = "__millrace_first";

}  // namespace millrace::sql
