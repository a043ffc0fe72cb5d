#include "engine/committed_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/files.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/files.h"
#include "engine/fingerprints.h"
#include "engine/progress.h"

namespace millrace {
namespace {

/// Gathers a whole result in memory.
class BatchSink final : public Sink {
 public:
  explicit BatchSink(const Schema& schema) : schema_(schema), rows_(schema) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.complete = true;
    traits.guarantee = "kept in memory";
    return traits;
  }
  void open(const SinkStart&) override {}
  std::unique_ptr<SinkBatch> begin(std::int64_t, MalformedReceiver&) override {
    return std::make_unique<Rows>(*this);
  }

  [[nodiscard]] sql::Batch take() { return std::move(rows_); }

 private:
  struct Rows final : SinkBatch {
    explicit Rows(BatchSink& to) : sink(to) {}
    std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(sink); }
    void stage() override {}
    void publish() override {}
    [[nodiscard]] SinkStats stats() const override { return {.rows = sink.rows_.rows()}; }
    BatchSink& sink;
  };
  struct Writer final : SinkWriter {
    explicit Writer(BatchSink& to) : sink(to), part(to.schema_) {}
    void write(const Chunk& chunk) override { part.append(chunk); }
    void finish() override {
      const std::lock_guard guard(sink.lock_);
      sink.rows_.append(std::move(part));
    }
    BatchSink& sink;
    sql::Batch part;
  };

  Schema schema_;
  std::mutex lock_;
  sql::Batch rows_;
};

/// For each dataset whether some sink depends on it.
std::vector<bool> needed_by_sinks(const Graph& graph) {
  std::vector<bool> needed(graph.datasets.size(), false);
  for (std::size_t i = graph.datasets.size(); i-- > 0;) {  // readers come after what they read
    const auto& node = graph.datasets[i];
    needed[i] = !node.sinks.empty() || !node.late_sinks.empty() ||
                std::any_of(node.readers.begin(), node.readers.end(),
                            [&](int r) { return needed[static_cast<std::size_t>(r)]; });
  }
  return needed;
}

/// A graph whose only sinks, as long as this lives, are those that gather some datasets.
class Gathering {
 public:
  Gathering(Graph& graph, const std::vector<std::size_t>& datasets) : graph_(graph) {
    sinks_ = std::exchange(graph_.sinks, {});
    for (auto& node : graph_.datasets) {
      of_datasets_.emplace_back(std::exchange(node.sinks, {}), std::exchange(node.late_sinks, {}));
    }
    for (const auto dataset : datasets) {
      auto& node = graph_.datasets[dataset];
      auto sink = std::make_unique<BatchSink>(node.plan->schema());
      gathered_.push_back(sink.get());
      node.sinks.push_back(static_cast<int>(graph_.sinks.size()));
      SinkNode gathers;
      gathers.spec = &sink_spec_;
      gathers.sink = std::move(sink);
      gathers.dataset = static_cast<int>(dataset);
      gathers.mode = OutputMode::complete;
      gathers.live = true;
      graph_.sinks.push_back(std::move(gathers));
    }
    needed_ = needed_by_sinks(graph_);
  }
  ~Gathering() {
    graph_.sinks = std::move(sinks_);
    for (std::size_t i = 0; i < of_datasets_.size(); i++) {
      std::tie(graph_.datasets[i].sinks, graph_.datasets[i].late_sinks) =
          std::move(of_datasets_[i]);
    }
  }
  Gathering(const Gathering&) = delete;
  Gathering& operator=(const Gathering&) = delete;

  /// For each dataset whether it has to run.
  [[nodiscard]] const std::vector<bool>& needed() const noexcept { return needed_; }

  /// Runs a batch with the sources that are tables, and nothing of those that are streams.
  std::vector<sql::Batch> run(BatchPlan plan, const Json* event_time) {
    plan_tables(plan);
    auto outputs = begin_outputs(graph_, plan);
    BatchRun run(graph_);
    if (event_time != nullptr) {
      run.load_event_time(*event_time);
    }
    run.run(plan, outputs);
    std::vector<sql::Batch> rows;
    rows.reserve(gathered_.size());
    for (auto* sink : gathered_) {
      rows.push_back(sink->take());
    }
    return rows;
  }

  /// Opens the sources that are tables, and that are needed.
  void open_tables() {
    for (const auto source : tables()) {
      graph_.sources[source].source->open(std::nullopt);
      graph_.sources[source].source->stop_at_present();
    }
  }

 private:
  [[nodiscard]] std::set<std::size_t> tables() const {
    std::set<std::size_t> found;
    for (std::size_t i = 0; i < graph_.datasets.size(); i++) {
      for (const auto& input : graph_.datasets[i].inputs) {
        const auto source = static_cast<std::size_t>(input.index);
        if (needed_[i] && input.kind == Producer::Kind::source &&
            graph_.sources[source].spec->table) {
          found.insert(source);
        }
      }
    }
    return found;
  }

  void plan_tables(BatchPlan& plan) {
    for (const auto source : tables()) {
      auto& node = graph_.sources[source];
      if (auto slice = node.source->plan(plan.time_us)) {
        plan.slices[node.spec->name] = std::move(slice->offsets);
      }
    }
  }

  Graph& graph_;
  std::vector<SinkNode> sinks_;  ///< those of the graph
  std::vector<std::pair<std::vector<int>, std::vector<int>>> of_datasets_;
  SinkSpec sink_spec_;
  std::vector<BatchSink*> gathered_;  ///< the graph's sinks meanwhile, in order
  std::vector<bool> needed_;
};

void check_runs(const Graph& graph, const std::vector<bool>& needed,
                const std::vector<bool>& run_by_pipeline) {
  for (std::size_t i = 0; i < needed.size(); i++) {
    const auto& node = graph.datasets[i];
    if (needed[i] && node.plan->has_state() && !run_by_pipeline[i]) {
      throw Error(Blame::user,
                  fmt::format("dataset {} holds nothing: the pipeline does not run it, "
                              "because no sink needs it",
                              node.name));
    }
  }
}

bool any_state(const Graph& graph, const std::vector<bool>& needed) {
  for (std::size_t i = 0; i < needed.size(); i++) {
    if (needed[i] && graph.datasets[i].plan->has_state()) {
      return true;
    }
  }
  return false;
}

/// Gives the plans their state. Returns the last batch; nullopt: none was committed yet.
std::optional<LoggedBatch> restore(Graph& graph, const std::vector<bool>& needed,
                                   Json& event_time) {
  const auto& path = graph.spec->checkpoint.path;
  if (!exists(path + "/checkpoint.json")) {
    throw Error(Blame::user, fmt::format("pipeline {} has no tables yet: it has never run, so "
                                         "there is no checkpoint in {}",
                                         graph.spec->name, path));
  }
  const auto description = checkpoint_files::read_description(path, graph.spec->name);
  check_fingerprints(description.json.value("fingerprints", Json()), fingerprints(graph), graph,
                     path);
  const StateVisitor visitor{
      .begin =
          [&] {
            for (auto& node : graph.datasets) {
              node.plan->clear_state();
            }
          },
      .state =
          [&](const std::string& dataset, const NextPiece& next) {
            const auto producer = graph.find(dataset);
            const auto i = static_cast<std::size_t>(producer ? producer->index : 0);
            if (producer && producer->kind == Producer::Kind::dataset && needed[i]) {
              graph.datasets[i].plan->apply(next);
            }
          },
      .event_time = [&](const Json& saved) { event_time = saved; }};
  return read_states(path, graph.spec->name, visitor);
}

std::optional<std::int64_t> slowest_watermark(Graph& graph, const Json& event_time) {
  BatchRun run(graph);
  if (!event_time.is_null()) {
    run.load_event_time(event_time);
  }
  BatchProgress progress;
  for (const auto& w : run.watermarks()) {
    progress.watermarks.push_back({w.name, w.us, w.partition, w.idle});
  }
  const auto* slowest = progress.slowest();
  return slowest == nullptr ? std::nullopt : slowest->us;
}

}  // namespace

std::vector<sql::Batch> run_tables(Graph& graph, const std::vector<std::size_t>& datasets,
                                   const BatchPlan& batch, const Json& event_time) {
  return Gathering(graph, datasets).run(batch, &event_time);
}

std::vector<sql::Batch> read_committed_tables(Graph graph, const std::vector<std::size_t>& datasets,
                                              const Clock& clock, sql::LiveVersion* moment) {
  const auto run_by_pipeline = needed_by_sinks(graph);
  Gathering gathering(graph, datasets);
  check_runs(graph, gathering.needed(), run_by_pipeline);
  std::optional<LoggedBatch> batch;
  Json event_time;
  if (moment != nullptr || any_state(graph, gathering.needed())) {
    batch = restore(graph, gathering.needed(), event_time);
  }
  BatchPlan plan;
  plan.time_us = clock.now_us();
  if (batch) {
    plan.id = batch->batch;
    plan.time_us = batch->time_us;
  }
  if (moment != nullptr && batch) {
    *moment = {.batch = plan.id, .time_us = plan.time_us, .watermark_us = {}};
    moment->watermark_us = slowest_watermark(graph, event_time);
  }
  gathering.open_tables();
  return gathering.run(std::move(plan), nullptr);
}

}  // namespace millrace
