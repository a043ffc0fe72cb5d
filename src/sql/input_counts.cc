#include "sql/input_counts.h"

#include "sql/internal/plan.h"

namespace millrace::sql {

std::int64_t rows_scanned(Plan& plan, std::size_t input) {
  return plan.impl().input(plan.inputs()[input].name).scanned;
}

}  // namespace millrace::sql
