// millrace compact: fewer, larger files.
#include "engine/compact.h"

#include <fmt/format.h>

#include <memory>

#include "base/strings.h"
#include "cli/command.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct Options {
  std::string file;
  std::vector<std::string> sinks;
  std::string target = "128MB";
  bool dry_run = false;
};

void compact(const Options& options, Context& context) {
  const auto target = parse_bytes(options.target);
  if (!target || *target <= 0) {
    throw Error(Blame::user,
                fmt::format("--target-size: `{}` is no size; for example 128MB", options.target));
  }
  const auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  const SignalStop signals;
  Diagnostics diagnostics;
  const auto done = compact_sinks(
      *spec, context.connectors, options.sinks,
      {.target_bytes = *target, .dry_run = options.dry_run, .stop = signals.token()},
      [](const std::string& text) { fmt::print(stderr, "{}\n", text); }, diagnostics);
  print_diagnostics(diagnostics, "nothing was changed.");
  if (diagnostics.has_errors()) {
    context.exit_code = kMistake;
    return;
  }
  for (const auto& [sink, files] : done) {
    fmt::print("{}: {} ({}) {} {}\n", sink, human_count(files.files, "small file"),
               human_bytes(files.bytes), options.dry_run ? "would become" : "became",
               human_count(files.into));
  }
  if (done.empty()) {
    fmt::print("no sink of {} has files that could be put together\n", spec->name);
  }
}

}  // namespace

void add_compact_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("compact", "Put small files that sinks have written together");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_option("SINK", options->sinks,
                      "Only these sinks; default: all that append to files");
  command->add_option("--target-size", options->target, "How large a file should be, about")
      ->option_text("SIZE")
      ->capture_default_str();
  command->add_flag("--dry-run", options->dry_run, "Only say what there is to do");
  command->footer(
      "The pipeline must not run meanwhile. Files of Parquet, JSON and CSV without a header, "
      "partition by\npartition; each new one is published whole before the small ones that are in "
      "it are removed, so\nthat for a moment a reader finds their rows twice. Killed, it is ended "
      "by the next start.\nA sink with `roll_interval` makes large files from the beginning.\n\n"
      "Examples:\n  millrace compact pipeline.yaml --dry-run\n"
      "  millrace compact pipeline.yaml events --target-size 256MB");
  command->callback([options, &context] { compact(*options, context); });
}

}  // namespace millrace::cli
