// Which tables of a pipeline are kept readable beside it.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "sql/live_tables.h"

namespace millrace {

/// The name of a dataset, or of a source `as: table`, and where it is asked for.
struct ServedTable {
  std::string name;
  Location at;
  bool if_possible = false;  ///< passed over in silence if it is no table
};

/// What a pipeline keeps readable, and where. `live` outlives the pipeline.
struct Serving {
  sql::LiveTables* live = nullptr;  ///< nullptr: nothing is served
  std::vector<ServedTable> tables;
};

}  // namespace millrace
