// The table that a sink writes.
#pragma once

#include <string>
#include <vector>

#include "connectors/mysql/connection.h"
#include "core/schema.h"
#include "core/sink.h"

namespace millrace::mysql {

/// What a sink wants of its table.
struct Wanted {
  std::string table;
  Schema columns;
  std::vector<std::string> key;  ///< mode update: what a unique key of the table has to be
  OutputMode mode = OutputMode::append;
  bool may_create = true;
};

/// Whether the table is there; then it can take the rows: it has a transactional engine, all of the
/// columns, none besides that need a value, and, to update by a key, that very unique key. Throws
/// Error (user) that says what is wrong, also that it is missing and may not be made.
[[nodiscard]] bool find_table(Connection& connection, const Wanted& wanted);
/// The CREATE TABLE for it.
[[nodiscard]] std::string create_sql(const Connection& connection, const Wanted& wanted);
/// Makes the table if it is missing (true). Throws as find_table().
bool prepare_table(Connection& connection, const Wanted& wanted);

}  // namespace millrace::mysql
