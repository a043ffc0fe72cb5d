// millrace preview: real input through the real plan, shown instead of written.
#include <fmt/format.h>

#include <memory>
#include <mutex>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/table.h"
#include "engine/batch_run.h"
#include "engine/graph.h"
#include "sql/render.h"

namespace millrace::cli {
namespace {

struct PreviewOptions {
  std::string file;
  std::string dataset;
  std::size_t rows = 20;
};

/// Keeps the first rows as text and counts the rest.
class PreviewSink final : public Sink {
 public:
  explicit PreviewSink(std::size_t limit) : limit_(limit) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.append = true;
    traits.complete = true;
    traits.guarantee = "shown, not written";
    return traits;
  }
  void open(const SinkStart&) override {}
  std::unique_ptr<SinkBatch> begin(std::int64_t, MalformedReceiver&) override {
    return std::make_unique<Rows>(*this);
  }
  [[nodiscard]] std::int64_t total() const noexcept { return total_; }

  std::vector<std::vector<std::optional<std::string>>> kept;

 private:
  struct Rows final : SinkBatch {
    explicit Rows(PreviewSink& to) : sink(to) {}
    std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(sink); }
    void stage() override {}
    void publish() override {}
    [[nodiscard]] SinkStats stats() const override { return {.rows = sink.total_}; }
    PreviewSink& sink;
  };
  struct Writer final : SinkWriter {
    explicit Writer(PreviewSink& to) : sink(to) {}
    void write(const Chunk& chunk) override {
      const std::lock_guard guard(sink.lock_);
      sink.total_ += static_cast<std::int64_t>(chunk.rows);
      if (sink.kept.size() < sink.limit_) {
        for (auto& row : sql::render(chunk)) {
          if (sink.kept.size() < sink.limit_) {
            sink.kept.push_back(std::move(row));
          }
        }
      }
    }
    void finish() override {}
    PreviewSink& sink;
  };

  std::size_t limit_;
  std::mutex lock_;
  std::int64_t total_ = 0;
};

/// The connector of the one sink that a preview has.
class PreviewConnector final : public Connector {
 public:
  explicit PreviewConnector(std::size_t rows) : rows_(rows) {}
  [[nodiscard]] std::string_view type() const noexcept override { return "preview"; }
  [[nodiscard]] std::string_view summary() const noexcept override { return "shows rows"; }
  std::unique_ptr<Sink> make_sink(const ConnectorRequest&, Diagnostics&) const override {
    return std::make_unique<PreviewSink>(rows_);
  }

 private:
  std::size_t rows_;
};

/// The pipeline with all its sinks replaced by one that shows the dataset.
PipelineSpec with_preview_sink(PipelineSpec spec, const PreviewOptions& options) {
  SinkSpec sink;
  sink.name = "preview";
  sink.at = {options.file, 0, 0};
  sink.from = options.dataset;
  sink.from_at = sink.at;
  sink.connector = "preview";
  sink.connection.kind = Node::Kind::mapping;
  sink.options.kind = Node::Kind::mapping;
  spec.sinks = {sink};
  return spec;
}

bool knows(const PipelineSpec& spec, const std::string& name) {
  const auto named = [&](const auto& thing) { return thing.name == name; };
  return std::any_of(spec.sources.begin(), spec.sources.end(), named) ||
         std::any_of(spec.datasets.begin(), spec.datasets.end(), named);
}

void preview(const PreviewOptions& options, Context& context) {
  const auto loaded = load_or_report(options.file, context);
  if (!loaded) {
    return;
  }
  if (!knows(*loaded, options.dataset)) {
    throw Error(Blame::user,
                fmt::format("{} has no source or dataset named {}", options.file, options.dataset));
  }
  const auto spec = with_preview_sink(*loaded, options);
  context.connectors.push_back(std::make_unique<PreviewConnector>(options.rows));
  sql::Database database({.threads = spec.threads,
                          .memory_limit_bytes = spec.memory_limit_bytes,
                          .temp_directory = ""});
  Diagnostics diagnostics;
  auto graph = build_graph(spec, context.connectors, database, diagnostics);
  print_diagnostics(diagnostics, "there is nothing to preview.");
  if (!graph) {
    context.exit_code = kMistake;
    return;
  }
  BatchPlan plan;
  plan.time_us = SystemClock().now_us();
  for (auto& node : graph->sources) {
    node.source->open(std::nullopt);
    node.source->stop_at_present();
    if (auto slice = node.source->plan(plan.time_us)) {
      plan.slices[node.spec->name] = slice->offsets;
    }
  }
  BatchRun run(*graph);
  auto outputs = begin_outputs(*graph, plan);
  run.run(plan, outputs);
  auto& sink = dynamic_cast<PreviewSink&>(*graph->sinks[0].sink);
  const auto& schema =
      graph->datasets[static_cast<std::size_t>(graph->sinks[0].dataset)].plan->schema();
  print_table(schema, sink.kept);
  fmt::print("{} of the {} rows that the first batch gives\n", sink.kept.size(), sink.total());
}

}  // namespace

void add_preview_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<PreviewOptions>();
  auto* command = app.add_subcommand(
      "preview", "Show rows of a source or dataset: real input, nothing written");
  command->add_option("FILE", options->file, "The pipeline file")->required();
  command->add_option("DATASET", options->dataset, "A source or dataset of it")->required();
  command->add_option("-n,--rows", options->rows, "Rows to show")->capture_default_str();
  command->footer(
      "Reads the first batch from the beginning of every source (the limits of the pipeline "
      "apply),\n"
      "runs it through the real plan, and touches neither the checkpoint nor any sink.\n\n"
      "Examples:\n  millrace preview pipeline.yaml orders\n"
      "  millrace preview pipeline.yaml daily_totals -n 5");
  command->callback([options, &context] { preview(*options, context); });
}

}  // namespace millrace::cli
