// Tables of text for a terminal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/schema.h"

namespace millrace::cli {

/// Prints rows under their column names to stdout, numbers to the right, long values cut.
void print_table(const Schema& schema,
                 const std::vector<std::vector<std::optional<std::string>>>& rows);

}  // namespace millrace::cli
