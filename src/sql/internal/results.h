// What can be said of a rewritten plan's results: their key, and whether they can be given out as
// changes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// The output columns that are the group columns of the aggregation, unchanged, if all are there.
[[nodiscard]] std::optional<std::vector<std::string>> find_key(
    duckdb::LogicalOperator& plan, const duckdb::vector<duckdb::string>& names);

/// Why the rows of groups that changed in a batch are not all that changed in the result; nullopt
/// if they are.
[[nodiscard]] std::optional<std::string> why_no_updates(const duckdb::LogicalOperator& plan);

}  // namespace millrace::sql
