// What a server says of itself and of a table.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "connectors/mysql/binlog_position.h"
#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/connection.h"

namespace millrace::mysql {

/// The columns of a table, as they are now; without their types in the binlog.
[[nodiscard]] BinlogTable catalog_of(Connection& connection, const std::string& table);
/// The columns of its primary key, in order; none: it has no such key.
[[nodiscard]] std::vector<std::string> primary_key_of(Connection& connection,
                                                      const std::string& table);
/// What the values of a key's column are compared as.
struct KeyType {
  std::string term;  ///< what is compared: the column, or the number of an ENUM's word
  std::string cast;  ///< a parameter as such a value: "CAST(? AS SIGNED)"
  std::vector<std::string> words;  ///< of an ENUM or SET
  bool is_set = false;

  /// A text of the column as what the parameter is to be: of a word, its number.
  [[nodiscard]] Value parameter(const Value& text) const;
};
/// Of these columns of a table, in order.
[[nodiscard]] std::vector<KeyType> key_types_of(Connection& connection, const std::string& table,
                                                const std::vector<std::string>& columns);
/// The server's variables that say how it keeps its binlog, by their names.
using BinlogSettings = std::map<std::string, std::string>;
[[nodiscard]] BinlogSettings binlog_settings(Connection& connection);
/// Why changes can't be read with such settings, and how to have others.
struct BinlogMistake {
  std::string what;
  std::string way_out;
};
[[nodiscard]] std::vector<BinlogMistake> mistakes_of(const BinlogSettings& settings);
/// Throws Error (user) if the server keeps no binlog of whole rows, or does not show it to us, and
/// says how to have it.
void check_binlog(Connection& connection);

/// Where the binlog ends now.
[[nodiscard]] BinlogPosition end_of_binlog(Connection& connection);

}  // namespace millrace::mysql
