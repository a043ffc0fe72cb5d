#include "sql/usable.h"

#include "duckdb/main/valid_checker.hpp"
#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

bool is_usable(Database& database) {
  return !duckdb::ValidChecker::Get(*database.impl().duck->instance).IsInvalidated();
}

}  // namespace millrace::sql
