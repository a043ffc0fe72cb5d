// What a SELECT reads, before it is planned.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/database.h"

namespace millrace::sql {

/// The names of the tables, streams and datasets after FROM and JOIN, without those that the text
/// defines itself (WITH). Throws SqlError if it does not parse.
[[nodiscard]] std::vector<std::string> names_read(Database& database, std::string_view sql);

}  // namespace millrace::sql
