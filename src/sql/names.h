// What a SELECT reads, before it is planned.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/database.h"

namespace millrace::sql {

/// A name after FROM or JOIN, and the byte of the SQL where it stands, if that is known.
struct NameRead {
  std::string name;
  std::optional<std::size_t> position;
};

/// The tables, streams and datasets that a SELECT reads, each once, without those that it defines
/// itself (WITH). Throws SqlError if it does not parse or is no SELECT.
[[nodiscard]] std::vector<NameRead> names_read(Database& database, std::string_view sql);

/// A table after FROM or JOIN, with the schema before its name, if one stands there.
struct TableRead {
  std::string schema;
  std::string name;

  bool operator==(const TableRead&) const = default;
};

/// The same for any SQL that is to be run at once, and not planned as a dataset: what its SELECTs
/// read. Throws SqlError if it does not parse.
[[nodiscard]] std::vector<TableRead> tables_read(Database& database, std::string_view sql);

}  // namespace millrace::sql
