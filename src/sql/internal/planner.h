// From a dataset's SQL to a plan that is kept.
#pragma once

#include <memory>
#include <string>

#include "sql/internal/database.h"
#include "sql/plan.h"

namespace millrace::sql {

/// Parses, binds, optimizes and rewrites. Throws SqlError.
[[nodiscard]] std::unique_ptr<Plan::Impl> make_plan(Database::Impl& database, std::string name,
                                                    std::string sql,
                                                    const Database::PlanOptions& options);

}  // namespace millrace::sql
