// What a batch adds to the metrics of its pipeline.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "control/batch_figures.h"
#include "control/metric_specs.h"
#include "control/metrics.h"
#include "control/source_parts.h"
#include "engine/node_figures.h"
#include "spec/tables.h"

namespace millrace::control {
namespace {

constexpr std::array<std::string_view, 5> kStates = {"starting", "running", "paused", "failed",
                                                     "stopped"};
constexpr std::array<std::string_view, 8> kFlows = {"in",   "emitted",   "out",         "filtered",
                                                    "late", "duplicate", "quarantined", "absorbed"};
// How much a new batch counts in the rate of a source.
constexpr double kNewest = 0.2;

double count(std::int64_t value) { return static_cast<double>(value); }
double seconds(std::int64_t us) { return static_cast<double>(us) / 1e6; }

std::array<std::int64_t, kFlows.size()> flows_of(const NodeFigures& n) {
  return {n.in, n.emitted, n.out, n.filtered, n.late, n.duplicate, n.quarantined, n.absorbed};
}

struct SourceSeries {
  MetricSeries& rows;
  MetricSeries& bytes;
  MetricSeries& malformed;
  std::map<std::string, MetricSeries*, std::less<>> lag;  // by partition
  MetricSeries* lag_seconds = nullptr;
  std::optional<double> rows_per_second;
  std::int64_t last_start_us = 0;
};

struct NodeSeries {
  std::array<MetricSeries*, kFlows.size()> flows;
  MetricSeries& seconds;
  MetricSeries* state_rows = nullptr;  // once it has state
  MetricSeries* state_bytes = nullptr;
};

struct SinkSeries {
  MetricSeries& rows;
  MetricSeries& refused;
  MetricSeries& bytes;
  MetricSeries& files;
  MetricSeries& commits;
  MetricSeries& retries;
  MetricSeries& write;
  MetricSeries& stage;
  MetricSeries& publish;
};

struct MarkSeries {
  MetricSeries& watermark;
  MetricSeries& newest;
  MetricSeries& idle;
};

struct EdgeSeries {
  std::string from;
  std::string to;
  MetricSeries& rows;
  MetricSeries* bytes;  // nullptr: not known yet
};

}  // namespace

struct PipelineMetrics::Impl {
  Impl(Metrics& metrics, std::string pipeline) : name(std::move(pipeline)), group(metrics) {
    for (std::size_t i = 0; i < kPhases.size(); i++) {
      phases[i] = &group.series(metric::kPhaseSeconds, {name, kPhases[i]});
    }
    for (const auto state : kStates) {
      states[state] = &group.series(metric::kState, {name, state});
    }
  }

  void add_source(const BatchProgress& batch, const SourceProgress& s);
  void add_lag(SourceSeries& to, const BatchProgress& batch, const SourceProgress& s);
  void add_nodes(const BatchProgress& batch);
  void add_datasets(const BatchProgress& batch);
  void add_edge(std::size_t at, const EdgeProgress& edge);
  void add_sink(const SinkCounts& s);
  void add_watermarks(const BatchProgress& batch);
  void add_checkpoint(const BatchProgress& batch);
  void commit(const BatchProgress& batch);
  void fail(const BatchProgress& batch);

  std::string name;
  MetricGroup group;
  std::array<MetricSeries*, kPhases.size()> phases{};
  std::map<std::string_view, MetricSeries*> states;
  MetricSeries& restarts = group.series(metric::kRestarts, {name});
  MetricSeries& memory = group.series(metric::kMemory, {name});
  MetricSeries& committed = group.series(metric::kBatches, {name, "committed"});
  MetricSeries& failed = group.series(metric::kBatches, {name, "failed"});
  MetricSeries& duration = group.series(metric::kBatchSeconds, {name});
  MetricSeries& offsets_log = group.series(metric::kCheckpointSeconds, {name, "offsets"});
  MetricSeries& commit_log = group.series(metric::kCheckpointSeconds, {name, "commit"});
  MetricSeries& state_log = group.series(metric::kCheckpointBytes, {name});
  std::map<std::string, SourceSeries> sources;
  std::map<std::string, NodeSeries> nodes;
  std::map<std::string, SinkSeries> sinks;
  std::map<std::string, MarkSeries> marks;
  std::map<std::string, MetricSeries*> windows;
  std::map<std::pair<std::string, std::string>, std::pair<MetricSeries*, MetricSeries*>> checks;
  std::vector<EdgeSeries> edges;  // in the order of BatchProgress, which does not change
  std::optional<std::pair<std::string, std::string>> holder;
};

void PipelineMetrics::Impl::add_lag(SourceSeries& to, const BatchProgress& batch,
                                    const SourceProgress& s) {
  if (to.last_start_us > 0 && batch.start_us > to.last_start_us && s.rows > 0) {
    const auto rate = count(s.rows) / seconds(batch.start_us - to.last_start_us);
    to.rows_per_second =
        to.rows_per_second ? *to.rows_per_second + kNewest * (rate - *to.rows_per_second) : rate;
  }
  to.last_start_us = batch.start_us;
  if (!s.lag) {
    return;
  }
  std::map<std::string, std::int64_t> behind;
  for (const auto& [topic, partitions] : s.lag->behind.items()) {
    for (const auto& [number, rows] : partitions.items()) {
      const bool fits = behind.size() < kPartitionsMax;
      behind[fits ? fmt::format("{}/{}", topic, number) : "other"] += rows.get<std::int64_t>();
    }
  }
  for (const auto& [partition, rows] : behind) {
    auto& series = to.lag[partition];
    if (series == nullptr) {
      series = &group.series(metric::kLagRows, {name, s.name, partition});
    }
    series->set(count(rows));
  }
  if (s.lag->total == 0 || to.rows_per_second.value_or(0) > 0) {
    if (to.lag_seconds == nullptr) {
      to.lag_seconds = &group.series(metric::kLagSeconds, {name, s.name});
    }
    to.lag_seconds->set(s.lag->total == 0 ? 0 : count(s.lag->total) / *to.rows_per_second);
  }
}

void PipelineMetrics::Impl::add_source(const BatchProgress& batch, const SourceProgress& s) {
  auto found = sources.find(s.name);
  if (found == sources.end()) {
    found = sources
                .emplace(s.name,
                         SourceSeries{
                             .rows = group.series(metric::kSourceRows, {name, s.name}),
                             .bytes = group.series(metric::kSourceBytes, {name, s.name}),
                             .malformed = group.series(metric::kSourceMalformed, {name, s.name})})
                .first;
  }
  auto& series = found->second;
  series.rows.add(count(s.rows));
  series.bytes.add(count(s.bytes));
  series.malformed.add(count(s.malformed_rows));
  add_lag(series, batch, s);
}

void PipelineMetrics::Impl::add_nodes(const BatchProgress& batch) {
  for (const auto& node : node_figures(batch)) {
    if (node.kind == NodeFigures::Kind::sink) {
      continue;  // they have metrics of their own
    }
    auto found = nodes.find(node.id);
    if (found == nodes.end()) {
      NodeSeries made{.flows = {},
                      .seconds = group.series(metric::kDatasetSeconds, {name, node.id})};
      for (std::size_t i = 0; i < kFlows.size(); i++) {
        made.flows[i] = &group.series(metric::kDatasetRows, {name, node.id, kFlows[i]});
      }
      found = nodes.emplace(node.id, made).first;
    }
    auto& series = found->second;
    const auto flows = flows_of(node);
    for (std::size_t i = 0; i < flows.size(); i++) {
      series.flows[i]->add(count(flows[i]));
    }
    series.seconds.add(seconds(node.span.us));
    if (series.state_rows == nullptr && node.state_bytes > 0) {
      series.state_rows = &group.series(metric::kStateRows, {name, node.id});
      series.state_bytes = &group.series(metric::kStateBytes, {name, node.id});
    }
    if (series.state_rows != nullptr) {
      series.state_rows->set(count(node.state_rows));
      series.state_bytes->set(count(node.state_bytes));
    }
  }
}

/// What only datasets have: windows and checks.
void PipelineMetrics::Impl::add_datasets(const BatchProgress& batch) {
  for (const auto& d : batch.datasets) {
    if (d.for_checks) {
      continue;
    }
    const auto known = windows.find(d.name);
    if (known != windows.end()) {
      known->second->set(count(d.windows));
    } else if (d.windows > 0) {
      auto& series = group.series(metric::kOpenWindows, {name, d.name});
      series.set(count(d.windows));
      windows.emplace(d.name, &series);
    }
    for (const auto& check : d.checks) {
      auto& [rows, violations] = checks[{d.name, check.name}];
      if (rows == nullptr) {
        const auto word = enum_word(check.otherwise);
        rows = &group.series(metric::kCheckRows, {name, d.name, check.name, word});
        violations = &group.series(metric::kCheckViolations, {name, d.name, check.name, word});
      }
      rows->add(count(check.rows));
      violations->add(count(check.violations));
    }
  }
}

void PipelineMetrics::Impl::add_edge(std::size_t at, const EdgeProgress& edge) {
  if (at == edges.size()) {
    edges.push_back({.from = edge.from,
                     .to = edge.to,
                     .rows = group.series(metric::kEdgeRows, {name, edge.from, edge.to}),
                     .bytes = nullptr});
  }
  auto& series = edges[at];
  if (series.from != edge.from || series.to != edge.to) {  // not in the order of before
    group.series(metric::kEdgeRows, {name, edge.from, edge.to}).add(count(edge.rows));
    return;
  }
  series.rows.add(count(edge.rows));
  if (series.bytes == nullptr && edge.bytes > 0) {
    series.bytes = &group.series(metric::kEdgeBytes, {name, edge.from, edge.to});
  }
  if (series.bytes != nullptr) {
    series.bytes->add(count(std::max<std::int64_t>(edge.bytes, 0)));
  }
}

void PipelineMetrics::Impl::add_sink(const SinkCounts& s) {
  auto found = sinks.find(s.name);
  if (found == sinks.end()) {
    const auto of = [&](const MetricSpec& spec) -> MetricSeries& {
      return group.series(spec, {name, s.name});
    };
    const auto in = [&](std::string_view phase) -> MetricSeries& {
      return group.series(metric::kSinkSeconds, {name, s.name, phase});
    };
    found = sinks
                .emplace(s.name, SinkSeries{.rows = of(metric::kSinkRows),
                                            .refused = of(metric::kSinkRefused),
                                            .bytes = of(metric::kSinkBytes),
                                            .files = of(metric::kSinkFiles),
                                            .commits = of(metric::kSinkCommits),
                                            .retries = of(metric::kSinkRetries),
                                            .write = in("write"),
                                            .stage = in("stage"),
                                            .publish = in("publish")})
                .first;
  }
  auto& series = found->second;
  series.rows.add(count(s.written));
  series.refused.add(count(s.refused));
  series.bytes.add(count(s.bytes));
  series.files.add(count(s.files));
  series.commits.add(s.given > 0 ? 1 : 0);
  series.retries.add(count(s.retries));
  series.write.add(seconds(s.write.us));
  series.stage.add(seconds(s.stage.us));
  series.publish.add(seconds(s.publish.us));
}

void PipelineMetrics::Impl::add_watermarks(const BatchProgress& batch) {
  for (const auto& mark : batch.watermarks) {
    if (!mark.us || !mark.newest_us) {
      continue;  // no row has come yet
    }
    auto found = marks.find(mark.name);
    if (found == marks.end()) {
      found =
          marks
              .emplace(mark.name,
                       MarkSeries{.watermark = group.series(metric::kWatermark, {name, mark.name}),
                                  .newest = group.series(metric::kNewestEvent, {name, mark.name}),
                                  .idle = group.series(metric::kWatermarkIdle, {name, mark.name})})
              .first;
    }
    found->second.watermark.set(seconds(*mark.us));
    found->second.newest.set(seconds(*mark.newest_us));
    found->second.idle.set(mark.idle ? 1 : 0);
  }
  const auto held = holder_of(batch);
  std::optional<std::pair<std::string, std::string>> now;
  if (held) {
    now.emplace(held->name, held->partition);
  }
  if (holder && holder != now) {
    group.remove(metric::kHolder, {name, holder->first, holder->second});
  }
  holder = std::move(now);
  if (held) {
    group.series(metric::kHolder, {name, held->name, held->partition})
        .set(seconds(held->behind_us));
  }
}

void PipelineMetrics::Impl::add_checkpoint(const BatchProgress& batch) {
  offsets_log.add(seconds(batch.log_us));
  commit_log.add(seconds(batch.commit_us));
  state_log.add(count(batch.state_log_bytes));
  if (batch.snapshot_us > 0) {
    group.series(metric::kSnapshotSeconds, {name}).observe(seconds(batch.snapshot_us));
    group.series(metric::kSnapshotBytes, {name}).set(count(batch.snapshot_bytes));
  }
}

void PipelineMetrics::Impl::commit(const BatchProgress& batch) {
  committed.add(1);
  duration.observe(seconds(batch.ended_us));
  const auto us = phases_us(batch);
  for (std::size_t i = 0; i < us.size(); i++) {
    phases[i]->observe(seconds(us[i]));
  }
  // Only now: a pipeline that has committed nothing has no last success.
  group.series(metric::kLastSuccess, {name}).set(seconds(end_us(batch)));
  group.series(metric::kLastBatch, {name}).set(count(batch.batch));
  group.series(metric::kFreshness, {name}).set(seconds(freshness_us(batch)));
  memory.set(count(batch.memory_bytes));
  for (const auto& source : batch.sources) {
    add_source(batch, source);
  }
  add_nodes(batch);
  add_datasets(batch);
  for (std::size_t i = 0; i < batch.edges.size(); i++) {
    add_edge(i, batch.edges[i]);
  }
  for (const auto& sink : batch.sinks) {
    add_sink(sink);
  }
  add_watermarks(batch);
  add_checkpoint(batch);
}

void PipelineMetrics::Impl::fail(const BatchProgress& batch) {
  failed.add(1);
  const std::string& where = batch.failure->where;
  const bool retried = batch.failure->retry == Retry::yes;
  group.series(metric::kFailures, {name, where, retried ? "yes" : "no"}).add(1);
  constexpr std::string_view kSink = "sink ";
  const std::string_view at =
      retried && where.starts_with(kSink) ? std::string_view(where).substr(kSink.size()) : "";
  for (const auto& sink : batch.sinks) {
    const std::int64_t retries = sink.retries + (sink.name == at ? 1 : 0);
    if (retries > 0) {  // not of those that are nobody's
      group.series(metric::kSinkRetries, {name, sink.name}).add(count(retries));
    }
  }
}

PipelineMetrics::PipelineMetrics(Metrics& metrics, std::string pipeline)
    : impl_(std::make_unique<Impl>(metrics, std::move(pipeline))) {}

PipelineMetrics::~PipelineMetrics() = default;

void PipelineMetrics::batch(const BatchProgress& batch) {
  if (batch.failure) {
    impl_->fail(batch);
  } else {
    impl_->commit(batch);
  }
}

void PipelineMetrics::state(std::string_view state) {
  for (const auto& [word, series] : impl_->states) {
    series->set(word == state ? 1 : 0);
  }
}

void PipelineMetrics::restarted() { impl_->restarts.add(1); }

}  // namespace millrace::control
