// --log-format and --log-level, of the commands that run for long.
#pragma once

#include <CLI/CLI.hpp>

namespace millrace::cli {

/// They take effect before the command does anything.
void add_log_options(CLI::App& command);

}  // namespace millrace::cli
