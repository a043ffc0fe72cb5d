// Who is told of alerts, as a file has it.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "spec/alerts.h"
#include "spec/loader.h"

namespace millrace {

/// Reads `receivers:` of the file `file`, and reports what is wrong with it. The log is always one
/// of them. `declared`: takes all names, also of those with mistakes.
[[nodiscard]] std::vector<AlertReceiverSpec> read_receivers(
    const Node& section, const Location& alerts_at, const std::string& file,
    Connections& connections, std::vector<std::string>& declared, Diagnostics& diagnostics);

}  // namespace millrace
