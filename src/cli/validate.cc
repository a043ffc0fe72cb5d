// millrace validate: every mistake of pipeline files at once. millrace explain: what would run.
#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "engine/graph.h"

namespace millrace::cli {
namespace {

/// Loads, plans and checks one file; the mistakes are printed.
bool validate(const std::string& file, Context& context) {
  Diagnostics diagnostics;
  const auto spec = load_pipeline(file, context.connectors, diagnostics);
  if (spec) {
    sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
    (void)build_graph(*spec, context.connectors, database, diagnostics);
  }
  print_diagnostics(diagnostics, file + " can't run.");
  if (!diagnostics.has_errors()) {
    fmt::print("{}: ok: {} sources, {} datasets, {} sinks\n", file, spec->sources.size(),
               spec->datasets.size(), spec->sinks.size());
  }
  return !diagnostics.has_errors();
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
  auto files = std::make_shared<std::vector<std::string>>();
  auto* command = app.add_subcommand(
      "validate", "Check pipeline files: every mistake at once, each at file:line:column");
  command->add_option("FILE", *files, "Pipeline files")->required();
  command->footer(
      "Checks the YAML, every option, that every dataset's SQL can be run incrementally, and that\n"
      "every sink can take its dataset in its mode. Reads no data and writes nothing.\n\n"
      "Examples:\n  millrace validate pipeline.yaml\n  millrace validate */pipeline.yaml");
  command->callback([files, &context] {
    for (const auto& file : *files) {
      if (!validate(file, context)) {
        context.exit_code = kMistake;
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
