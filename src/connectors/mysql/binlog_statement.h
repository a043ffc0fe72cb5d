// Statements in a binlog of rows: definitions, most of which leave a table's rows as they are.
#pragma once

#include <string_view>

namespace millrace::mysql {

struct TableName {
  std::string_view database;
  std::string_view table;
};

/// What a statement, run in `current` database, did to a table's rows without an event that names
/// them, for people: "truncated", "dropped", ...; empty: nothing. Names count as the same whatever
/// their case, as on some servers they are.
[[nodiscard]] std::string_view untold_loss(std::string_view statement, std::string_view current,
                                           const TableName& of);

}  // namespace millrace::mysql
