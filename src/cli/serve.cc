// millrace serve: answers requests over what a pipeline has made, without running it.
#include <fmt/format.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "control/hosted_service.h"
#include "control/metrics.h"
#include "control/metrics_server.h"
#include "engine/live_sink.h"
#include "engine/pipeline.h"
#include "runtime/signals.h"
#include "serve/absent.h"
#include "serve/serving.h"

namespace millrace::cli {
namespace {

struct ServeOptions {
  std::string file;
  std::string listen;
  std::string metrics;  ///< where to serve them; empty: nowhere
};

/// Takes over what a run elsewhere has committed, until a stop is requested.
void follow(const PipelineSpec& spec, const ConnectorList& connectors, sql::Database& database,
            const Serving& serving, const std::stop_token& stop) {
  std::mutex lock;
  std::condition_variable_any changed;
  std::unique_lock guard(lock);
  std::string said;
  while (!changed.wait_for(guard, stop, spec.serve->refresh, [] { return false; }) &&
         !stop.stop_requested()) {
    std::string now;
    try {
      Diagnostics diagnostics;
      (void)load_live_tables(spec, connectors, database, SystemClock(), serving, diagnostics);
      now = diagnostics.text();
    } catch (const Error& error) {
      now = error.what();
    }
    if (!now.empty() && now != said) {
      Log().with("pipeline", spec.name).warn("the checkpoint can't be read: {}", now);
    }
    said = std::move(now);
  }
}

void serve(const ServeOptions& options, Context& context) {
  auto spec = load_or_report(options.file, context);
  if (!spec) {
    return;
  }
  if (!spec->serve) {
    throw Error(Blame::user,
                fmt::format("{} has no `serve`, so there is nothing to answer", options.file));
  }
  if (!options.listen.empty()) {
    spec->serve->server.listen = options.listen;
  }
  SignalStop signals;
  sql::LiveTables tables;
  sql::Database database(database_options(*spec));
  const PipelineSpec pipeline =
      serve::without_absent(*spec, context.connectors, database, signals.token());
  const auto serving = serve::serving_of(pipeline, context.connectors, tables);
  Diagnostics diagnostics;
  const auto graph =
      build_graph(pipeline, context.connectors, database, diagnostics, signals.token(), serving);
  if (graph) {
    (void)load_live_tables(pipeline, context.connectors, database, SystemClock(), serving,
                           diagnostics);
  }
  Metrics metrics{control::declared_metrics()};
  const control::ProcessMetrics process(metrics, MILLRACE_VERSION);
  const auto service = graph ? control::HostedService::start({*spec, context.connectors, database,
                                                              tables, *graph, MILLRACE_VERSION},
                                                             metrics, diagnostics)
                             : nullptr;
  print_diagnostics(diagnostics, "nothing is served.");
  if (!service) {
    context.exit_code = kMistake;
    return;
  }
  std::optional<control::MetricsServer> scraped;
  if (!options.metrics.empty()) {
    scraped.emplace(options.metrics, metrics);
    Log().with("pipeline", spec->name).info("metrics at {}/metrics", scraped->url());
  }
  follow(pipeline, context.connectors, database, serving, signals.token());
}

}  // namespace

void add_serve_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  auto* command =
      app.add_subcommand("serve", "Answer requests over what a pipeline has made, until Ctrl-C");
  command->add_option("FILE", options->file, "The pipeline file, with `serve:`")->required();
  command->add_option("--listen", options->listen, "Address and port, in place of the file's")
      ->option_text("ADDRESS");
  command
      ->add_option("--metrics", options->metrics,
                   "Serve metrics for Prometheus there, at /metrics: 127.0.0.1:9187")
      ->option_text("ADDRESS");
  command->footer(
      "The pipeline is not run, and one that runs elsewhere is not disturbed: tables are read from "
      "its\n"
      "checkpoint, and again when it has got further (`refresh`); sinks and sources as they are.\n"
      "`millrace run` answers by itself while it runs.\n\nExamples:\n  millrace serve "
      "pipeline.yaml\n  millrace serve pipeline.yaml --listen 127.0.0.1:9000");
  command->callback([options, &context] { serve(*options, context); });
}

}  // namespace millrace::cli
