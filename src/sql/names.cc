#include "sql/names.h"

#include <algorithm>

#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"

namespace millrace::sql {

std::vector<std::string> names_read(Database& database, std::string_view sql) {
  return as_sql_error([&] {
    duckdb::Connection connection(*database.impl().duck);
    const auto names = connection.GetTableNames(std::string(sql));
    std::vector<std::string> sorted(names.begin(), names.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  });
}

}  // namespace millrace::sql
