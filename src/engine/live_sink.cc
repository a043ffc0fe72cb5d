#include "engine/live_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/committed_tables.h"
#include "sql/batch.h"

namespace millrace {
namespace {

/// Gathers the rows of a batch in memory, and gives them to the table when they are published.
/// Readers see them when the batch is committed.
class LiveSink final : public Sink {
 public:
  LiveSink(sql::LiveTables& live, std::string name, Schema schema, LiveChoice how)
      : live_(live),
        name_(std::move(name)),
        schema_(std::move(schema)),
        how_(std::move(how)),
        table_(live_.open(name_, schema_, how_.key)) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.update = true;
    traits.complete = true;
    traits.guarantee = "what is read is as of one committed batch";
    return traits;
  }
  void open(const SinkStart& /*start*/) override { table_ = live_.open(name_, schema_, how_.key); }
  std::unique_ptr<SinkBatch> begin(std::int64_t batch, MalformedReceiver& /*refused*/) override {
    return std::make_unique<Rows>(*this, batch);
  }

 private:
  class Rows final : public SinkBatch {
   public:
    Rows(LiveSink& sink, std::int64_t batch) : sink_(sink), batch_(batch), rows_(sink.schema_) {}
    std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(*this); }
    void stage() override { written_ = rows_.rows(); }
    void publish() override {
      if (sink_.how_.mode == OutputMode::update) {
        sink_.table_->upsert(std::move(rows_), batch_);
      } else {
        sink_.table_->replace(std::move(rows_), batch_);
      }
      rows_ = sql::Batch(sink_.schema_);
    }
    [[nodiscard]] SinkStats stats() const override { return {.rows = written_}; }

   private:
    class Writer final : public SinkWriter {
     public:
      explicit Writer(Rows& to) : to_(to), part_(to.sink_.schema_) {}
      void write(const Chunk& chunk) override { part_.append(chunk); }
      void finish() override {
        const std::lock_guard guard(to_.lock_);
        to_.rows_.append(std::move(part_));
      }

     private:
      Rows& to_;
      sql::Batch part_;
    };

    LiveSink& sink_;
    std::int64_t batch_;
    std::mutex lock_;
    sql::Batch rows_;
    std::int64_t written_ = 0;
  };

  sql::LiveTables& live_;
  std::string name_;
  Schema schema_;
  LiveChoice how_;
  std::shared_ptr<sql::LiveTable> table_;  // there from the planning on, for queries over it
};

std::shared_ptr<sql::LiveTable> open_table(const Serving& serving, const DatasetNode& dataset) {
  return serving.live->open(dataset.name, dataset.plan->schema(), live_choice(dataset).key);
}

/// Reports why a name can't be served; the dataset that gives its rows if it can.
std::optional<std::size_t> find_served(const Graph& graph, const ServedTable& wanted,
                                       Diagnostics& diagnostics) {
  const auto producer = graph.rows_of(wanted.name);
  if (!producer) {
    std::vector<std::string> known;
    known.reserve(graph.datasets.size());
    for (const auto& node : graph.datasets) {
      if (node.plan->shape() == sql::Shape::table) {
        known.push_back(node.name);
      }
    }
    const auto hint = did_you_mean(wanted.name, known);
    diagnostics.error(
        wanted.at, fmt::format("{} can't be served: there is no dataset of this name", wanted.name),
        !hint.empty()   ? hint
        : known.empty() ? "no dataset of this pipeline is a table"
                        : fmt::format("tables are: {}", join(known, ", ")));
    return std::nullopt;
  }
  const auto index = static_cast<std::size_t>(producer->index);
  if (producer->kind == Producer::Kind::source && graph.sources[index].lookup) {
    diagnostics.error(wanted.at,
                      fmt::format("{} can't be served: it is looked up, and not held", wanted.name),
                      "declare the source once more `as: table`, without `key`");
    return std::nullopt;
  }
  if (producer->kind == Producer::Kind::source ||
      graph.datasets[index].plan->shape() == sql::Shape::stream) {
    diagnostics.error(
        wanted.at,
        fmt::format("{} can't be served: it is a stream, whose rows are not kept", wanted.name),
        "aggregate it in a dataset, or serve the sink that writes it");
    return std::nullopt;
  }
  return index;
}

}  // namespace

LiveChoice live_choice(const DatasetNode& dataset) {
  const auto& plan = *dataset.plan;
  LiveChoice choice;
  for (const auto& column : plan.key().value_or(std::vector<std::string>())) {
    choice.key.push_back(static_cast<std::size_t>(plan.schema().find(column)));
  }
  const bool vanish = dataset.spec != nullptr && dataset.spec->state_ttl;
  if (!choice.key.empty() && !vanish && !plan.refuses(OutputMode::update)) {
    choice.mode = OutputMode::update;
  }
  return choice;
}

void add_live_sinks(Graph& graph, const Serving& serving,
                    const std::function<bool(const std::string&)>& is_broken,
                    Diagnostics& diagnostics) {
  std::vector<std::size_t> added;
  for (const auto& wanted : serving.tables) {
    if (serving.live == nullptr || is_broken(wanted.name)) {
      continue;
    }
    Diagnostics passed_over;
    const auto found = find_served(graph, wanted, wanted.if_possible ? passed_over : diagnostics);
    if (!found || std::ranges::find(added, *found) != added.end()) {
      continue;
    }
    added.push_back(*found);
    const auto& dataset = graph.datasets[*found];
    auto spec = std::make_unique<SinkSpec>();
    spec->name = "served " + dataset.name;
    spec->at = wanted.at;
    spec->from = dataset.name;
    auto how = live_choice(dataset);
    SinkNode node;
    node.spec = spec.get();
    node.dataset = static_cast<int>(*found);
    node.mode = how.mode;
    node.live = true;
    node.sink = std::make_unique<LiveSink>(*serving.live, dataset.name, dataset.plan->schema(),
                                           std::move(how));
    graph.sinks.push_back(std::move(node));
    graph.live_specs.push_back(std::move(spec));
  }
}

void fill_live_tables(Graph& graph, const Serving& serving, const BatchPlan& batch,
                      const Json& event_time) {
  std::vector<std::size_t> datasets;
  for (const auto& node : graph.sinks) {
    if (node.live) {
      datasets.push_back(static_cast<std::size_t>(node.dataset));
    }
  }
  auto rows = run_tables(graph, datasets, batch, event_time);
  for (std::size_t i = 0; i < datasets.size(); i++) {
    open_table(serving, graph.datasets[datasets[i]])->replace(std::move(rows[i]), batch.id);
  }
}

std::optional<std::int64_t> load_live_tables(const PipelineSpec& spec,
                                             const ConnectorList& connectors,
                                             sql::Database& database, const Clock& clock,
                                             const Serving& serving, Diagnostics& diagnostics) {
  const auto standing = read_standing(spec.checkpoint.path, spec.name);
  if (!standing || !standing->last_committed) {
    return std::nullopt;
  }
  if (serving.live->snapshot().version().batch == *standing->last_committed) {
    return standing->last_committed;
  }
  auto graph = build_graph(spec, connectors, database, diagnostics, {}, serving);
  if (!graph) {
    return std::nullopt;
  }
  std::vector<std::size_t> datasets;
  std::vector<std::shared_ptr<sql::LiveTable>> tables;
  for (const auto& node : graph->sinks) {
    if (node.live) {
      datasets.push_back(static_cast<std::size_t>(node.dataset));
      tables.push_back(open_table(serving, graph->datasets[datasets.back()]));
    }
  }
  sql::LiveVersion now;
  auto rows = read_committed_tables(*std::move(graph), datasets, clock, &now);
  for (std::size_t i = 0; i < tables.size(); i++) {
    tables[i]->replace(std::move(rows[i]), now.batch);
  }
  serving.live->commit(now);
  return now.batch;
}

}  // namespace millrace
