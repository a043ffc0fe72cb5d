#include "sql/names.h"

#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"
#include "sql/internal/syntax.h"

namespace millrace::sql {

std::vector<NameRead> names_read(Database& database, std::string_view sql) {
  return as_sql_error([&] {
    duckdb::Connection connection(*database.impl().duck);
    const auto select = parse_select(*connection.context, std::string(sql));
    return names_in(*select);
  });
}

std::vector<TableRead> tables_read(Database& database, std::string_view sql) {
  return as_sql_error([&] {
    duckdb::Connection connection(*database.impl().duck);
    return tables_in(*connection.context, std::string(sql));
  });
}

}  // namespace millrace::sql
