// What a command of the user's own configuration says.
#pragma once

#include <expected>
#include <stop_token>
#include <string>

namespace millrace::s3 {

/// Runs a command by the shell and gives its standard output, or why there is none, for people: it
/// failed, took longer than a minute, or said more than 64 KiB. What it writes to standard error is
/// seen on ours. Throws Stopped, and Error if no process can be made.
[[nodiscard]] std::expected<std::string, std::string> command_output(const std::string& command,
                                                                     const std::stop_token& stop);

}  // namespace millrace::s3
