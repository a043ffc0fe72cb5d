#include "engine/committed_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <string>

#include "base/files.h"
#include "engine/batch_run.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/files.h"
#include "engine/fingerprints.h"

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

/// A graph whose only sinks are those that gather some datasets.
class Reading {
 public:
  Reading(Graph graph, const std::vector<std::size_t>& datasets) : graph_(std::move(graph)) {
    const auto run_by_pipeline = needed_by_sinks(graph_);
    replace_sinks(datasets);
    needed_ = needed_by_sinks(graph_);
    for (std::size_t i = 0; i < needed_.size(); i++) {
      const auto& node = graph_.datasets[i];
      if (needed_[i] && node.plan->has_state()) {
        has_state_ = true;
        check_runs(node, run_by_pipeline[i]);
      }
    }
  }

  std::vector<sql::Batch> read(const Clock& clock) {
    BatchPlan plan;
    plan.time_us = clock.now_us();
    if (has_state_) {
      restore(plan);
    }
    open_tables(plan);
    auto outputs = begin_outputs(graph_, plan.id);
    BatchRun(graph_).run(plan, outputs);
    std::vector<sql::Batch> rows;
    rows.reserve(gathered_.size());
    for (auto* sink : gathered_) {
      rows.push_back(sink->take());
    }
    return rows;
  }

 private:
  void replace_sinks(const std::vector<std::size_t>& datasets) {
    graph_.sinks.clear();
    for (auto& node : graph_.datasets) {
      node.sinks.clear();
      node.late_sinks.clear();
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
      graph_.sinks.push_back(std::move(gathers));
    }
  }

  static void check_runs(const DatasetNode& node, bool run_by_pipeline) {
    if (!run_by_pipeline) {
      throw Error(Blame::user,
                  fmt::format("dataset {} holds nothing: the pipeline does not run it, "
                              "because no sink needs it",
                              node.name));
    }
  }

  /// Gives the plans their state, and the batch the time of the last one.
  void restore(BatchPlan& plan) {
    const auto& path = graph_.spec->checkpoint.path;
    if (!exists(path + "/checkpoint.json")) {
      throw Error(Blame::user, fmt::format("pipeline {} has no tables yet: it has never run, so "
                                           "there is no checkpoint in {}",
                                           graph_.spec->name, path));
    }
    const auto description = checkpoint_files::read_description(path, graph_.spec->name);
    check_fingerprints(description.json.value("fingerprints", Json()), fingerprints(graph_), graph_,
                       path);
    const StateVisitor visitor{
        .begin =
            [&] {
              for (auto& node : graph_.datasets) {
                node.plan->clear_state();
              }
            },
        .state =
            [&](const std::string& dataset, const NextPiece& next) {
              const auto producer = graph_.find(dataset);
              const auto i = static_cast<std::size_t>(producer ? producer->index : 0);
              if (producer && producer->kind == Producer::Kind::dataset && needed_[i]) {
                graph_.datasets[i].plan->apply(next);
              }
            }};
    if (const auto last = read_states(path, graph_.spec->name, visitor)) {
      plan.id = last->batch;
      plan.time_us = last->time_us;
    }
  }

  /// Lets the sources be read that are tables, and that are needed.
  void open_tables(BatchPlan& plan) {
    for (std::size_t i = 0; i < graph_.datasets.size(); i++) {
      for (const auto& input : graph_.datasets[i].inputs) {
        if (!needed_[i] || input.kind != Producer::Kind::source) {
          continue;
        }
        auto& node = graph_.sources[static_cast<std::size_t>(input.index)];
        if (!node.spec->table || plan.slices.contains(node.spec->name)) {
          continue;
        }
        node.source->open(std::nullopt);
        node.source->stop_at_present();
        if (auto slice = node.source->plan(plan.time_us)) {
          plan.slices[node.spec->name] = std::move(slice->offsets);
        }
      }
    }
  }

  Graph graph_;
  SinkSpec sink_spec_;
  std::vector<BatchSink*> gathered_;  ///< the graph's sinks, in order
  std::vector<bool> needed_;
  bool has_state_ = false;
};

}  // namespace

std::vector<sql::Batch> read_committed_tables(Graph graph, const std::vector<std::size_t>& datasets,
                                              const Clock& clock) {
  return Reading(std::move(graph), datasets).read(clock);
}

}  // namespace millrace
