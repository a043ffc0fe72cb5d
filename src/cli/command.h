// What the commands share: the binary's connectors, exit codes, and how mistakes are shown.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "core/connector.h"
#include "spec/pipeline.h"

namespace millrace::cli {

/// Exit codes. Documented in docs/cli.md; scripts rely on them, so they never change meaning.
enum ExitCode : int {
  kOk = 0,          ///< done; also a run that was stopped by Ctrl-C or SIGTERM and ended cleanly
  kInternal = 1,    ///< a bug in millrace
  kMistake = 2,     ///< a mistake in the pipeline, its SQL or the command line
  kExternal = 3,    ///< something outside failed: a file, a disk, a server
  kUnfinished = 4,  ///< asked to stop, it did not end in time; the checkpoints recover
};
[[nodiscard]] ExitCode exit_code_of(const Error& error) noexcept;

/// Lives as long as main(). Commands set the exit code in their callbacks.
struct Context {
  ConnectorList connectors;
  CLI::App* root = nullptr;
  int exit_code = kOk;
};

/// Each command adds itself to the application; one file a command.
void add_run_command(CLI::App& app, Context& context);
void add_daemon_command(CLI::App& app, Context& context);
void add_reload_command(CLI::App& app, Context& context);
void add_remote_commands(CLI::App& app);  ///< ps, pause, resume, trigger, stop, retry, logs
void add_top_command(CLI::App& app);
void add_validate_command(CLI::App& app, Context& context);
void add_explain_command(CLI::App& app, Context& context);
void add_preview_command(CLI::App& app, Context& context);
void add_query_command(CLI::App& app, Context& context);
void add_serve_command(CLI::App& app, Context& context);
void add_state_command(CLI::App& app, Context& context);
void add_quarantine_command(CLI::App& app, Context& context);
void add_compact_command(CLI::App& app, Context& context);
void add_generate_command(CLI::App& app, Context& context);
void add_infer_command(CLI::App& app, Context& context);
void add_schema_command(CLI::App& app, Context& context);
void add_docs_command(CLI::App& app, Context& context);
void add_completion_command(CLI::App& app, Context& context);
void add_version_command(CLI::App& app, Context& context);

/// How a command ends that cannot go on.
void print_error(const Error& error);
/// Prints every diagnostic to stderr, and how many there were; or log lines, if these are JSON.
void print_diagnostics(const Diagnostics& diagnostics, const std::string& consequence);
/// Loads a pipeline file; prints its mistakes and sets the exit code if there are any. Warnings are
/// printed in any case.
[[nodiscard]] std::optional<PipelineSpec> load_or_report(const std::string& file, Context& context);

}  // namespace millrace::cli
