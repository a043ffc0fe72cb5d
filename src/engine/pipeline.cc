#include "engine/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/strings.h"
#include "engine/batch_run.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/fingerprints.h"
#include "engine/graph.h"
#include "engine/memory.h"
#include "engine/quarantine.h"
#include "sql/database.h"
#include "sql/out_of_memory.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

/// Rows that went into state, whose changes are then worth a thread to write down.
constexpr std::int64_t kWorthAThread = 10'000;

std::int64_t us_between(Steady::time_point from, Steady::time_point to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

/// Measures the phases of a batch one after the other.
class Phases {
 public:
  /// Microseconds since the last call, or since the start.
  std::int64_t lap() {
    const auto now = Steady::now();
    return us_between(std::exchange(last_, now), now);
  }
  [[nodiscard]] std::int64_t total() const { return us_between(start_, Steady::now()); }
  [[nodiscard]] Steady::time_point start() const { return start_; }

 private:
  Steady::time_point start_ = Steady::now();
  Steady::time_point last_ = start_;
};

double per_second(std::int64_t rows, std::int64_t us) {
  return us <= 0 ? 0 : static_cast<double>(rows) * 1e6 / static_cast<double>(us);
}

std::string random_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

sql::Database::Options database_options(const PipelineSpec& spec) {
  return {.threads = spec.threads,
          .memory_limit_bytes = spec.memory_limit_bytes,
          .temp_directory = spec.checkpoint.path + "/tmp",
          .watermark_policy = spec.watermark_policy};
}

}  // namespace

struct Pipeline::Impl {
  Impl(const PipelineSpec& of, const ConnectorList& connectors, const Clock& time,
       Diagnostics& diagnostics)
      : spec(of),
        clock(time),
        database(database_options(of)),
        quarantine(of.checkpoint.path + "/quarantine", of.checkpoint.sync) {
    graph = build_graph(spec, connectors, database, diagnostics);
    if (graph) {
      run = std::make_unique<BatchRun>(*graph, &quarantine);
    }
  }

  void open();
  std::optional<BatchProgress> step();
  std::optional<BatchPlan> plan_batch(BatchProgress& progress);
  std::optional<Slice> plan_table(SourceNode& node, BatchPlan& plan);
  void execute(const BatchPlan& plan, BatchProgress& progress, Phases& phases);
  std::future<void> start_logging(const std::vector<DatasetCounts>& datasets);
  void log_states();
  void fill(const BatchPlan& plan, BatchProgress& progress, const Phases& phases);
  void write_snapshot();
  /// Calls `call`; if DuckDB runs out of memory, says what takes it.
  template <class Call>
  void with_memory_told(const Call& call) {
    try {
      call();
    } catch (const sql::OutOfMemory& error) {
      throw out_of_memory(*graph, database, error.what());
    }
  }

  const PipelineSpec& spec;
  const Clock& clock;
  sql::Database database;
  std::optional<Graph> graph;
  std::unique_ptr<BatchRun> run;
  std::unique_ptr<Checkpoint> checkpoint;
  Quarantine quarantine;
  std::string opening;
  std::string run_id = random_id();
  std::int64_t next_batch = 0;
  std::optional<BatchPlan> unfinished;   ///< planned by an earlier process, not committed
  std::map<std::string, Slice> planned;  ///< of the batch being run, for the progress
  /// A table as it was read last, by source.
  struct TableRead {
    std::int64_t read_us = 0;
    Slice slice;
  };
  std::map<std::string, TableRead> tables;
  std::optional<Steady::time_point> previous_start;
  bool broken = false;  ///< a batch failed: states are half advanced
};

Pipeline::Pipeline(const PipelineSpec& spec, const ConnectorList& connectors, const Clock& clock,
                   Diagnostics& diagnostics)
    : impl_(std::make_unique<Impl>(spec, connectors, clock, diagnostics)) {}
Pipeline::~Pipeline() = default;

bool Pipeline::valid() const noexcept { return impl_->graph.has_value(); }
void Pipeline::open() { impl_->open(); }
const std::string& Pipeline::opening() const noexcept { return impl_->opening; }
std::optional<BatchProgress> Pipeline::step() { return impl_->step(); }

void Pipeline::stop_at_present() {
  for (auto& node : impl_->graph->sources) {
    node.source->stop_at_present();
  }
}

bool Pipeline::finished() const {
  return std::all_of(impl_->graph->sources.begin(), impl_->graph->sources.end(),
                     [](const auto& node) { return node.spec->table || node.source->finished(); });
}

void Pipeline::wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until) {
  // With several sources none may be slept on for long: each knows only its own news.
  auto& sources = impl_->graph->sources;
  if (sources.size() > 1) {
    until = std::min(until, Steady::now() + std::chrono::milliseconds(20));
  }
  for (auto& node : sources) {
    if (!node.spec->table) {
      node.source->wait(stop, until);
      return;
    }
  }
}

void Pipeline::close() { impl_->checkpoint.reset(); }

void Pipeline::Impl::open() {
  checkpoint = std::make_unique<Checkpoint>(
      Checkpoint::Options{.path = spec.checkpoint.path,
                          .sync = spec.checkpoint.sync,
                          .snapshot_interval = spec.checkpoint.snapshot_interval,
                          .snapshot_log_bytes = spec.checkpoint.snapshot_log_bytes},
      spec.name);
  const auto now = fingerprints(*graph);
  check_fingerprints(checkpoint->fingerprints(), now, spec.checkpoint.path);
  std::map<std::string, Json> positions;
  std::map<std::string, std::vector<Json>> advanced;
  RecoveryVisitor visitor;
  visitor.positions = [&](const auto& of_snapshot) { positions = of_snapshot; };
  visitor.state = [&](const std::string& dataset, const NextPiece& next) {
    const auto producer = graph->find(dataset);
    if (producer && producer->kind == Producer::Kind::dataset) {
      graph->datasets[static_cast<std::size_t>(producer->index)].plan->apply(next);
    }
  };
  visitor.committed = [&](const LoggedBatch& batch) {
    for (const auto& [source, offsets] : batch.slices) {
      advanced[source].push_back(offsets);
    }
  };
  visitor.event_time = [&](const Json& saved) { run->load_event_time(saved); };
  Recovered recovered;
  with_memory_told([&] { recovered = checkpoint->recover(visitor); });
  checkpoint->set_fingerprints(now);
  quarantine.open();
  for (auto& node : graph->sources) {
    const auto position = positions.find(node.spec->name);
    node.source->open(position == positions.end() ? std::nullopt : std::optional(position->second));
    for (const auto& offsets : advanced[node.spec->name]) {
      node.source->advance(offsets);
    }
  }
  for (auto& node : graph->sinks) {
    node.sink->open(
        {.schema = graph->datasets[static_cast<std::size_t>(node.dataset)].plan->schema(),
         .mode = node.mode,
         .key = node.key,
         .last_committed = recovered.last_committed,
         .pipeline = spec.name,
         .checkpoint = checkpoint->id()});
  }
  next_batch = recovered.last_committed.value_or(-1) + 1;
  if (recovered.unfinished) {
    unfinished = BatchPlan{recovered.unfinished->batch,
                           recovered.unfinished->time_us,
                           recovered.unfinished->slices,
                           {}};
  }
  opening = !recovered.last_committed && !recovered.unfinished
                ? "starting afresh; checkpoint " + spec.checkpoint.path
                : fmt::format("going on after batch {}{}; checkpoint {}", next_batch - 1,
                              unfinished ? ", repeating one that was not committed" : "",
                              spec.checkpoint.path);
}

std::optional<BatchPlan> Pipeline::Impl::plan_batch(BatchProgress& progress) {
  if (unfinished) {
    return std::exchange(unfinished, std::nullopt);
  }
  BatchPlan plan;
  plan.id = next_batch;
  plan.time_us = std::max(clock.now_us(), run->last_time_us() + 1);  // never the same twice
  planned.clear();
  bool news = run->is_due(plan.time_us);
  for (auto& node : graph->sources) {
    auto slice = node.spec->table ? plan_table(node, plan) : node.source->plan(plan.time_us);
    if (slice) {
      news = news || !node.spec->table;
      plan.slices[node.spec->name] = slice->offsets;
      progress.start_us = plan.time_us;
      planned[node.spec->name] = std::move(*slice);
    }
  }
  if (!news) {
    return std::nullopt;
  }
  for (const auto& node : graph->sources) {  // a batch that comes to nothing reads no table
    if (const auto slice = planned.find(node.spec->name);
        node.spec->table && slice != planned.end() && !plan.unchanged.contains(node.spec->name)) {
      tables[node.spec->name] = {plan.time_us, slice->second};
    }
  }
  return plan;
}

/// What a table is in a batch: as it was, if it need not be looked at yet or has not changed.
std::optional<Slice> Pipeline::Impl::plan_table(SourceNode& node, BatchPlan& plan) {
  const auto before = tables.find(node.spec->name);
  const bool fresh = before != tables.end() && node.spec->refresh &&
                     plan.time_us - before->second.read_us <
                         std::chrono::microseconds(*node.spec->refresh).count();
  if (fresh) {
    plan.unchanged.insert(node.spec->name);
    return before->second.slice;
  }
  auto slice = node.source->plan(plan.time_us);
  const bool is_files = node.source->file_format().has_value();
  if (before != tables.end() && slice && is_files &&
      slice->offsets == before->second.slice.offsets) {
    before->second.read_us = plan.time_us;
    plan.unchanged.insert(node.spec->name);
  }
  return slice;
}

std::optional<BatchProgress> Pipeline::Impl::step() {
  Phases phases;
  BatchProgress progress;
  const bool repeated = unfinished.has_value();
  const auto plan = plan_batch(progress);
  if (!plan) {
    return std::nullopt;
  }
  progress.plan_us = phases.lap();
  if (!repeated) {
    checkpoint->log_offsets({plan->id, plan->time_us, plan->slices, run->save_event_time()});
  }
  for (auto& node : graph->sources) {
    if (const auto slice = plan->slices.find(node.spec->name); slice != plan->slices.end()) {
      node.source->advance(slice->second);
    }
  }
  progress.log_us = phases.lap();
  try {
    with_memory_told([&] { execute(*plan, progress, phases); });
  } catch (...) {
    broken = true;
    checkpoint->abandon();
    quarantine.abort();
    for (auto& node : graph->sinks) {
      node.sink->abort();
    }
    throw;
  }
  next_batch = plan->id + 1;
  for (auto& node : graph->sources) {
    if (const auto slice = plan->slices.find(node.spec->name); slice != plan->slices.end()) {
      node.source->committed(slice->second);
    }
  }
  fill(*plan, progress, phases);
  if (checkpoint->snapshot_due()) {
    write_snapshot();
  }
  return progress;
}

void Pipeline::Impl::execute(const BatchPlan& plan, BatchProgress& progress, Phases& phases) {
  quarantine.begin(plan.id);
  for (auto& node : graph->sinks) {
    node.sink->begin(plan.id);
  }
  run->run(plan);
  check_memory(*graph, database);
  fault_point("batch.after_run");
  progress.run_us = phases.lap();
  progress.datasets = run->dataset_counts();
  auto logged = start_logging(progress.datasets);
  for (auto& node : graph->sinks) {
    node.sink->stage();
    fault_point("batch.after_stage");
  }
  progress.sinks = run->sink_counts();
  check_accounts(plan.id, progress.datasets, progress.sinks);
  quarantine.publish();
  logged.get();
  progress.stage_us = phases.lap();
  for (auto& node : graph->sinks) {
    node.sink->publish();
    fault_point("batch.after_publish");
  }
  progress.publish_us = phases.lap();
  Json summary = {
      {"time_us", clock.now_us()}, {"datasets", Json::object()}, {"sinks", Json::object()}};
  for (const auto& d : progress.datasets) {
    summary["datasets"][d.name] = {{"in", d.in},
                                   {"out", d.out},
                                   {"quarantined", d.malformed},
                                   {"state_rows", d.state_rows},
                                   {"state_bytes", d.state_bytes}};
  }
  summary["event_time"] = run->save_event_time();
  for (const auto& s : progress.sinks) {
    summary["sinks"][s.name] = {{"rows", s.written}, {"bytes", s.bytes}, {"files", s.files}};
  }
  checkpoint->log_commit(plan.id, summary);
  progress.commit_us = phases.lap();
}

/// Writes the changed states down while the sinks stage, which leaves cores idle.
std::future<void> Pipeline::Impl::start_logging(const std::vector<DatasetCounts>& datasets) {
  const bool much = std::any_of(datasets.begin(), datasets.end(), [](const auto& counts) {
    return counts.absorbed >= kWorthAThread;
  });
  return std::async(much ? std::launch::async : std::launch::deferred, [this] { log_states(); });
}

void Pipeline::Impl::log_states() {
  for (const auto& node : graph->datasets) {
    if (node.plan->has_state()) {
      node.plan->write_changes(
          [&](std::string_view piece) { checkpoint->log_state(next_batch, node.name, piece); });
    }
  }
}

void Pipeline::Impl::fill(const BatchPlan& plan, BatchProgress& progress, const Phases& phases) {
  progress.pipeline = spec.name;
  progress.id = checkpoint->id();
  progress.run_id = run_id;
  progress.batch = plan.id;
  progress.start_us = plan.time_us;
  for (std::size_t i = 0; i < graph->sources.size(); i++) {
    const auto& node = graph->sources[i];
    SourceProgress source{node.spec->name, node.spec->connector, Json(), "", 0, 0};
    if (const auto slice = plan.slices.find(node.spec->name); slice != plan.slices.end()) {
      source.offsets = slice->second;
      source.text = planned[node.spec->name].text;
      source.bytes = planned[node.spec->name].bytes.value_or(0);
    }
    for (std::size_t d = 0; d < graph->datasets.size(); d++) {
      if (std::cmp_equal(node.scanned_by, d) && !node.spec->table) {
        const auto found = std::find_if(
            progress.datasets.begin(), progress.datasets.end(),
            [&](const auto& counts) { return counts.name == graph->datasets[d].name; });
        if (found != progress.datasets.end()) {
          source.rows = found->in + found->malformed;
        }
      }
    }
    progress.input_rows += source.rows;
    progress.sources.push_back(std::move(source));
  }
  for (const auto& sink : progress.sinks) {
    progress.output_rows += sink.written;
  }
  for (const auto& dataset : progress.datasets) {
    progress.quarantined_rows += dataset.malformed;
    progress.late_rows += dataset.late.rows;
  }
  for (const auto& w : run->watermarks()) {
    progress.watermarks.push_back({w.name, w.us, w.partition, w.idle});
  }
  progress.memory_bytes = database.memory_bytes();
  progress.total_us = phases.total();
  progress.processed_rows_per_second = per_second(progress.input_rows, progress.total_us);
  progress.input_rows_per_second =
      previous_start ? per_second(progress.input_rows, us_between(*previous_start, phases.start()))
                     : progress.processed_rows_per_second;
  previous_start = phases.start();
}

void Pipeline::Impl::write_snapshot() {
  std::map<std::string, Json> positions;
  for (const auto& node : graph->sources) {
    positions[node.spec->name] = node.source->position();
  }
  checkpoint->write_snapshot(
      positions, run->save_event_time(), [&](const Checkpoint::PutState& put) {
        for (const auto& node : graph->datasets) {
          if (node.plan->has_state()) {
            node.plan->write_snapshot([&](std::string_view piece) { put(node.name, piece); });
          }
        }
      });
}

}  // namespace millrace
