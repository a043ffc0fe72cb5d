// Whether a database can be gone on with.
#pragma once

#include "sql/database.h"

namespace millrace::sql {

/// False: DuckDB has given up after a fatal error, such as a store's file that could not be written
/// in the middle of a commit. All that is asked of it fails then; another one has to be made.
[[nodiscard]] bool is_usable(Database& database);

}  // namespace millrace::sql
