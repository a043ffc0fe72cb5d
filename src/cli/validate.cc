// millrace validate: every mistake of pipeline files at once. millrace explain: what would run.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/connect.h"
#include "control/companions.h"
#include "engine/graph.h"

namespace millrace::cli {
namespace {

struct ValidateOptions {
  std::vector<std::string> files;
  bool connect = false;
  int connect_timeout_s = 30;
};

/// Loads, plans and checks one file; the mistakes are printed. With `connect`, tries its systems,
/// too.
ExitCode validate(const std::string& file, const ValidateOptions& options, Context& context) {
  Diagnostics diagnostics;
  auto code = kOk;
  const auto spec = load_pipeline(file, context.connectors, diagnostics);
  if (spec && options.connect && !diagnostics.has_errors()) {
    code = try_systems(*spec, context.connectors, std::chrono::seconds(options.connect_timeout_s),
                       diagnostics);
  } else if (spec) {
    sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
    if (build_graph(*spec, context.connectors, database, diagnostics)) {
      control::check_companions(*spec, context.connectors, database, diagnostics);
    }
  }
  print_diagnostics(diagnostics, file + " can't run.");
  if (!diagnostics.has_errors()) {
    fmt::print("{}: ok: {} sources, {} datasets, {} sinks\n", file, spec->sources.size(),
               spec->datasets.size(), spec->sinks.size());
    return kOk;
  }
  return code == kOk ? kMistake : code;
}

struct ExplainOptions {
  std::string file;
  bool no_plans = false;
};

void explain_file(const ExplainOptions& options, Context& context) {
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  Diagnostics diagnostics;
  sql::Database database({.threads = spec->threads, .memory_limit_bytes = 0, .temp_directory = ""});
  const auto graph = build_graph(*spec, context.connectors, database, diagnostics);
  print_diagnostics(diagnostics, "there is nothing to explain.");
  if (!graph) {
    context.exit_code = kMistake;
    return;
  }
  fmt::print("{}", explain(*graph, !options.no_plans));
}

}  // namespace

void add_validate_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<ValidateOptions>();
  auto* command = app.add_subcommand(
      "validate", "Check pipeline files: every mistake at once, each at file:line:column");
  command->add_option("FILE", options->files, "Pipeline files")->required();
  command->add_flag("--connect", options->connect,
                    "Also ask the systems of all sources and sinks: whether they can be reached, "
                    "let us in, have what is named, and would give and take the rows");
  command
      ->add_option("--connect-timeout", options->connect_timeout_s,
                   "With --connect: how long systems may take to answer; default: 30")
      ->check(CLI::Range(1, 3600))
      ->option_text("SECONDS");
  command->footer(
      "Checks the YAML, every option, that every dataset's SQL can be run incrementally, and that\n"
      "every sink can take its dataset in its mode. Reads no rows and writes nothing.\n\n"
      "Examples:\n  millrace validate pipeline.yaml\n  millrace validate */pipeline.yaml\n"
      "  millrace validate --connect pipeline.yaml");
  command->callback([options, &context] {
    for (const auto& file : options->files) {
      if (const auto code = validate(file, *options, context); code != kOk) {
        context.exit_code = context.exit_code == kMistake ? kMistake : code;
      }
    }
  });
}

void add_explain_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<ExplainOptions>();
  auto* command = app.add_subcommand(
      "explain", "Show the graph, and per sink its mode, guarantee and state, and the plans");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_flag("--no-plans", options->no_plans, "Leave out the plans of the datasets");
  command->footer(
      "Examples:\n  millrace explain pipeline.yaml\n  millrace explain pipeline.yaml "
      "--no-plans");
  command->callback([options, &context] { explain_file(*options, context); });
}

}  // namespace millrace::cli
