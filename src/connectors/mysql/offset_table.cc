#include "connectors/mysql/offset_table.h"

#include <fmt/format.h>

namespace millrace::mysql {

void OffsetTable::open(Connection& connection) {
  if (!key_column_.empty()) {
    return;
  }
  const auto columns = connection.query(
      "SELECT column_name, column_key FROM information_schema.columns WHERE table_schema = "
      "DATABASE() AND table_name = ? ORDER BY ordinal_position",
      {table_});
  if (columns.size() != 2 || columns[0][1] != "PRI" || columns[1][1] == "PRI") {
    throw Error(Blame::user,
                fmt::format("`offset_table: {0}` {1}; it is a table of two columns, of which the "
                            "first is its primary key: CREATE TABLE {0} (source VARCHAR(128) "
                            "PRIMARY KEY, last_id BIGINT)",
                            table_, columns.empty() ? "is not there" : "has other columns"));
  }
  key_column_ = columns[0][0].value_or("");
  value_column_ = columns[1][0].value_or("");
}

std::optional<std::string> OffsetTable::read(Connection& connection) const {
  return connection.query_value(fmt::format("SELECT {} FROM {} WHERE {} = ?", quote(value_column_),
                                            quote(table_), quote(key_column_)),
                                {source_});
}

std::string OffsetTable::insert_sql() const {
  return fmt::format(
      "INSERT INTO {} ({}, {}) VALUES (?, ?) ON DUPLICATE KEY UPDATE {} = VALUES({})",
      quote(table_), quote(key_column_), quote(value_column_), quote(value_column_),
      quote(value_column_));
}

void OffsetTable::write(Connection& connection, const Value& offset) const {
  Statement(connection, insert_sql()).execute({source_, offset});
}

void OffsetTable::check(Connection& connection) const {
  (void)read(connection);
  const Statement statement(connection, insert_sql());
}

}  // namespace millrace::mysql
