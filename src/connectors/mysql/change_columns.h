// The columns of a source of changes, and what becomes of those that its table gets while it runs.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "connectors/mysql/binlog_stream.h"
#include "connectors/mysql/change_reader.h"
#include "connectors/mysql/options.h"

namespace millrace::sql {
class Database;
}

namespace millrace::mysql {

/// The columns of `options`, or else those that the table had when the checkpoint began
/// (`so_far`, and NULL if they are gone since), or has now. Throws Error (user) for what does not
/// fit. The key is left to the caller.
[[nodiscard]] ChangeLayout make_layout(const std::string& source, const SourceOptions& options,
                                       const Schema& so_far, Connection& connection,
                                       sql::Database& database);

/// The table's own columns, without those of `metadata`.
[[nodiscard]] inline const Schema& table_columns(const ChangeLayout& layout) {
  return layout.plan.schema;
}

/// Columns that rows of events have, and the layout has not, with the types that they have in the
/// table now; if they are gone, with those of the binlog.
[[nodiscard]] Schema fresh_columns(const ChangeLayout& layout,
                                   std::span<const std::shared_ptr<const RowsEvent>> events,
                                   const ConnectionOptions& connection,
                                   const std::stop_token& stop);

}  // namespace millrace::mysql
