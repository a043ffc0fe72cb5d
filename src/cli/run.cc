// millrace run: runs a pipeline until Ctrl-C, or to the end of what is there.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/display.h"
#include "engine/pipeline.h"
#include "runtime/runner.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct RunOptions {
  std::string file;
  bool once = false;
  std::vector<std::string> rebuild;
  ProgressStyle progress = ProgressStyle::automatic;
  int threads = 0;
};

void run(const RunOptions& options, Context& context) {
  auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  if (options.once) {
    spec->trigger.kind = TriggerSpec::Kind::available_now;
  }
  if (options.threads > 0) {
    spec->threads = options.threads;
  }
  SignalStop signals;  // before the threads of the embedded DuckDB, which inherit what is blocked
  const auto clock = make_clock();
  Display display(options.progress, spec->name);
  RunSummary all;
  do {  // once, and again whenever the columns of a source have become more
    Diagnostics diagnostics;
    Pipeline pipeline(*spec, context.connectors, *clock, diagnostics, signals.token());
    print_diagnostics(diagnostics,
                      all.columns_grew ? "the run has ended." : "nothing was started.");
    if (!pipeline.valid()) {
      context.exit_code = kMistake;
      return;
    }
    all += run_pipeline(
        pipeline, spec->trigger, signals.token(), [&](const auto& text) { display.opened(text); },
        [&](const BatchProgress& progress) { display.batch(progress); },
        all.batches == 0 ? options.rebuild : std::vector<std::string>());
  } while (all.columns_grew && !signals.token().stop_requested());
  display.ended(all);
}

}  // namespace

void add_run_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<RunOptions>();
  auto* command = app.add_subcommand("run", "Run a pipeline until Ctrl-C, or to the end");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_flag(
      "--once", options->once,
      "Process what is there now, in as many batches as its limits ask for, and exit");
  command
      ->add_option("--rebuild", options->rebuild,
                   "Make the state of this dataset (and of those that depend on it) anew from the "
                   "input so far, then go on: the way to change the query of a running pipeline; "
                   "all: of every dataset; may be given several times")
      ->option_text("DATASET")
      ->allow_extra_args(false);
  const std::map<std::string, ProgressStyle> styles{{"auto", ProgressStyle::automatic},
                                                    {"line", ProgressStyle::line},
                                                    {"log", ProgressStyle::log},
                                                    {"json", ProgressStyle::json},
                                                    {"none", ProgressStyle::none}};
  command
      ->add_option("--progress", options->progress,
                   "How to show progress: auto (a live line on a terminal, log lines otherwise), "
                   "line, log, json (one object a batch on stdout), none")
      ->transform(CLI::CheckedTransformer(styles, CLI::ignore_case))
      ->option_text("STYLE");
  command->add_option("--threads", options->threads, "Threads for SQL; default: all cores")
      ->check(CLI::Range(1, 1024));
  command->footer(
      "Ctrl-C or SIGTERM lets the running batch finish and leaves a clean checkpoint; a second "
      "one\n"
      "ends at once. Started again, the pipeline goes on where it stopped: no row is lost or\n"
      "written twice.\n\nExamples:\n  millrace run pipeline.yaml\n  millrace run pipeline.yaml "
      "--once\n  millrace run pipeline.yaml --rebuild totals\n  millrace run pipeline.yaml "
      "--progress json | jq .processedRowsPerSecond");
  command->callback([options, &context] { run(*options, context); });
}

}  // namespace millrace::cli
