// Reading a pipeline's outputs and tables, for `query` and `state`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/command.h"

namespace millrace::cli {

enum class OutputFormat : std::uint8_t { table, csv, json };

struct QueryOptions {
  std::string file;
  std::string sql;
  OutputFormat format = OutputFormat::table;
  std::size_t limit = 1000;
};

/// Runs the SQL over sinks' outputs and datasets' tables, and prints its rows.
void query(const QueryOptions& options, Context& context);

}  // namespace millrace::cli
