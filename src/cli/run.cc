// millrace run: runs a pipeline until Ctrl-C, or to the end of what is there.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/display.h"
#include "cli/history_flags.h"
#include "cli/log_options.h"
#include "control/metrics_server.h"
#include "control/operations.h"
#include "control/server.h"
#include "engine/pipeline.h"
#include "runtime/host.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct RunOptions {
  std::string file;
  bool once = false;
  std::vector<std::string> rebuild;
  ProgressStyle progress = ProgressStyle::automatic;
  int threads = 0;
  std::string metrics;  ///< where to serve them; empty: nowhere
  std::string control;  ///< an address; empty: the default, of a run that goes on
  bool no_control = false;
  HistoryFlags history;
};

/// Shows a host as the command line does.
class Shown final : public HostObserver {
 public:
  explicit Shown(Display& display) : display_(display) {}
  void diagnosed(const Diagnostics& diagnostics, bool restarted) override {
    print_diagnostics(diagnostics, restarted ? "the run has ended." : "nothing was started.");
  }
  void said(const std::string& text) override { display_.opened(text); }
  void batch_committed(const BatchProgress& progress) override { display_.batch(progress); }
  void ended(const RunSummary& summary) override { display_.ended(summary); }

 private:
  Display& display_;
};

/// The control API of a run, and who serves it.
struct Controlled {
  Controlled(const PipelineSpec& spec, control::Operations& operations, const Clock& clock)
      : control({.name = spec.name, .version = MILLRACE_VERSION}, clock) {
    operations.join(control);
  }
  control::Control control;
  std::optional<control::ControlServer> server;
};

/// nullptr: none is wanted. Before the host starts.
std::unique_ptr<Controlled> control_of(const RunOptions& options, const PipelineSpec& spec,
                                       PipelineHost& host, control::Operations& operations,
                                       const Clock& clock) {
  using Kind = TriggerSpec::Kind;
  const bool ends = spec.trigger.kind == Kind::once || spec.trigger.kind == Kind::available_now;
  auto wanted = load_control(options.file);
  wanted.listen_at(options.control);
  if (options.no_control || (ends && !wanted.has_address)) {
    return nullptr;
  }
  auto controlled = std::make_unique<Controlled>(spec, operations, clock);
  controlled->control.add(host, options.history.over(wanted.history));
  try {
    controlled->server.emplace(controlled->control, wanted, operations.metrics());
  } catch (const Error& error) {
    if (wanted.has_address || error.blame() == Blame::user) {
      throw;
    }
    // Nobody has asked for it, and the pipeline is what counts.
    Log().with("pipeline", spec.name).warn("no control server: {}", error.what());
    return controlled;
  }
  controlled->server->announce(spec.name, {spec.name});
  Log().with("pipeline", spec.name).info("control at {}", controlled->server->url());
  return controlled;
}

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
  Shown shown(display);
  control::Operations operations(context.connectors, *clock, MILLRACE_VERSION);
  std::optional<control::MetricsServer> metrics;
  std::shared_ptr<HostObserver> watching;  // as the operations give it; outlives the host
  PipelineHost host(
      {.name = spec->name, .load = [&](Diagnostics&) { return spec; }, .rebuild = options.rebuild},
      context.connectors, *clock);
  host.observe(shown);
  watching = operations.watch(host);
  if (!options.metrics.empty()) {
    metrics.emplace(options.metrics, operations.metrics());
    Log().with("pipeline", spec->name).info("metrics at {}/metrics", metrics->url());
  }
  const auto control = control_of(options, *spec, host, operations, *clock);
  host.start();
  const std::stop_callback on_signal(signals.token(), [&] { host.end("a signal"); });
  const auto ending = host.wait();
  if (ending.error) {
    std::rethrow_exception(ending.error);
  }
  if (ending.mistake) {
    context.exit_code = kMistake;
  }
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
  auto* address = command->add_option(
      "--control", options->control,
      "Where the control API listens; default: 127.0.0.1:8420, or the next free port, for a "
      "pipeline that runs until it is stopped; port 0: any");
  address->option_text("ADDRESS");
  command->add_flag("--no-control", options->no_control, "No control API")->excludes(address);
  add_history_options(*command, options->history);
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
  command
      ->add_option("--metrics", options->metrics,
                   "Serve metrics for Prometheus there, at /metrics: 127.0.0.1:9187")
      ->option_text("ADDRESS");
  command->add_option("--threads", options->threads, "Threads for SQL; default: all cores")
      ->check(CLI::Range(1, 1024));
  add_log_options(*command);
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
