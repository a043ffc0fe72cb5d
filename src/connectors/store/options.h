// The options of the connector "store".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/options.h"

namespace millrace {

/// What a pipeline may say of the store itself.
struct StoreConnection {
  std::string path;

  static const OptionTable<StoreConnection>& table() {
    using O = StoreConnection;
    static const OptionTable<O> kTable{
        Option<O>{&O::path, "path", "The DuckDB file; it is made if it is missing."}
            .required()
            .path()
            .example("shop.duckdb"),
    };
    return kTable;
  }
};

/// What a pipeline may say of a table it reads.
struct StoreSourceOptions {
  std::string table;
  std::optional<std::string> incremental;
  std::optional<std::int64_t> max_rows_per_trigger;

  static const OptionTable<StoreSourceOptions>& options() {
    using O = StoreSourceOptions;
    static const OptionTable<O> kTable{
        Option<O>{&O::table, "table", "The table to read."}.required(),
        Option<O>{&O::incremental, "incremental",
                  "A column that only grows, such as an id: each batch reads the rows after the "
                  "last ones. Needed to read the table as a stream."}
            .example("order_id"),
        Option<O>{
            &O::max_rows_per_trigger, "max_rows_per_trigger",
            "About so many rows in a batch; rows that share a value of the incremental column "
            "stay together."}
            .at_least(1),
    };
    return kTable;
  }
};

/// What a pipeline may say of a table it writes.
struct StoreSinkOptions {
  std::string table;

  static const OptionTable<StoreSinkOptions>& options() {
    using O = StoreSinkOptions;
    static const OptionTable<O> kTable{
        Option<O>{&O::table, "table", "The table to write; it is made if it is missing."}
            .required(),
    };
    return kTable;
  }
};

}  // namespace millrace
