// Where in the changes of a server a source is.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "connectors/mysql/gtid_set.h"

namespace millrace::mysql {

/// A place between two transactions, or within one that is too large to be read at once.
struct BinlogPosition {
  /// MariaDB: the last transaction of each domain, "0-1-100,1-1-7". MySQL: all transactions,
  /// "uuid:1-5,uuid:1-3". Empty: the server numbers none, and file and offset count alone.
  std::string gtid;
  std::string file;
  std::uint64_t offset = 0;   ///< in the file: where the next transaction begins
  std::int64_t sequence = 0;  ///< changes of the table that came before, since the source began
  std::int64_t given = 0;     ///< of them those that are of the next transaction

  [[nodiscard]] nlohmann::json to_json() const;
  [[nodiscard]] static BinlogPosition from_json(const nlohmann::json& json);
  /// Notes a transaction of MariaDB.
  void pass(std::uint32_t domain, std::uint32_t server, std::uint64_t number);
  /// The same of MySQL's.
  void pass(const GtidSet::Server& server, std::uint64_t number);
  /// Whether it is at or behind another one; by the transactions if both have them, so that the
  /// other one may be of another server.
  [[nodiscard]] bool has_reached(const BinlogPosition& other) const;
  /// "binlog.000003:1234"
  [[nodiscard]] std::string text() const;
};

}  // namespace millrace::mysql
