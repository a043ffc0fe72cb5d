// Trying the systems of a pipeline before it runs: `millrace validate --connect`.
#pragma once

#include <chrono>

#include "base/error.h"
#include "cli/command.h"

namespace millrace::cli {

/// Asks every system of a pipeline, several at once, whether its sources and sinks could begin;
/// changes nothing there. Prints a line for each; what is wrong goes to `diagnostics`. A system
/// that does not answer within `patience` is an error. Gives the exit code.
[[nodiscard]] ExitCode try_systems(const PipelineSpec& spec, const ConnectorList& connectors,
                                   std::chrono::seconds patience, Diagnostics& diagnostics);

}  // namespace millrace::cli
