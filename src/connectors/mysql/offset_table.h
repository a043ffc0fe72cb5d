// A table in which people see how far a source is.
#pragma once

#include <optional>
#include <string>

#include "connectors/mysql/connection.h"

namespace millrace::mysql {

/// A table such as `profile_offsets(source VARCHAR(128) PRIMARY KEY, last_txn_id BIGINT)`: nothing
/// depends on it, but people, and a source that is told to begin where it says.
class OffsetTable {
 public:
  OffsetTable(std::string table, std::string source)
      : table_(std::move(table)), source_(std::move(source)) {}

  /// Finds the columns. Throws Error (user) if the table is not as it has to be.
  void open(Connection& connection);
  [[nodiscard]] std::optional<std::string> read(Connection& connection) const;
  void write(Connection& connection, const Value& offset) const;
  /// Throws Error if it can't be read and written.
  void check(Connection& connection) const;

 private:
  [[nodiscard]] std::string insert_sql() const;

  std::string table_;
  std::string source_;
  std::string key_column_;
  std::string value_column_;
};

}  // namespace millrace::mysql
