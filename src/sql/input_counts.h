// Rows of a plan's last run by what it reads; RunCounts has their sums.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sql/plan.h"

namespace millrace::sql {

/// How many rows the scans of one of Plan::inputs() have given, each scan counted.
[[nodiscard]] std::int64_t rows_scanned(Plan& plan, std::size_t input);

}  // namespace millrace::sql
