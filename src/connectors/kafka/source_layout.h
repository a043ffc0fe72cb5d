// What the columns of a source of messages are, and how they are filled.
#pragma once

#include <memory>
#include <stop_token>
#include <string_view>

#include "connectors/kafka/options.h"
#include "connectors/kafka/registry.h"
#include "connectors/kafka/row_maker.h"

namespace millrace::sql {
class Database;
}

namespace millrace::kafka {

/// Reports what is wrong with `metadata`.
[[nodiscard]] bool check_metadata(const SourceOptions& options, const Location& at,
                                  Diagnostics& diagnostics, std::string_view what);

/// What a layout is made of beside options: who asks for it, and the columns of values so far, if
/// they grow (core/growing_columns.h); empty: none are known yet.
struct LayoutOf {
  std::string source;
  Schema so_far;
};

/// The layout that a source's options name. `database` parses schemas; `registry` is made if it is
/// needed, waits until `stop`, and must outlive the layout. Throws Error (user) for what does not
/// fit, and what SchemaRegistry does.
[[nodiscard]] RowLayout make_layout(const LayoutOf& of, const SourceOptions& options,
                                    const ConnectionOptions& connection, sql::Database& database,
                                    std::stop_token stop,
                                    std::unique_ptr<SchemaRegistry>& registry);

}  // namespace millrace::kafka
