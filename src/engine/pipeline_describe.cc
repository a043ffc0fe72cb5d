// What a pipeline tells of a batch that it has run.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "engine/pipeline_impl.h"

namespace millrace {
namespace {

/// Says so if more of a source's records are malformed than its author expects.
void note_share(const SourceSpec& spec, const SourceProgress& source,
                std::vector<std::string>& alerts) {
  const auto share = static_cast<double>(source.malformed_rows) /
                     static_cast<double>(std::max<std::int64_t>(source.rows, 1));
  if (spec.alert_malformed_share && share > *spec.alert_malformed_share) {
    alerts.push_back(fmt::format(
        "source {}: {} of {} are malformed, {:.3g} %, and more than {:.3g} "
        "% is more than expected (`alert_malformed_share`)",
        spec.name, human_count(source.malformed_rows), human_count(source.rows, "record"),
        share * 100, *spec.alert_malformed_share * 100));
  }
}

std::string text_of(const sql::LookupStats& found) {
  return fmt::format("{} looked up, {} of them read: {}; {} remembered",
                     human_count(found.keys, "key"), human_count(found.keys_read),
                     human_count(found.rows_read, "row"), human_count(found.rows));
}

/// What a source read, as it says so, is what went over the edges to those that read it directly.
void set_bytes(const SourceProgress& source, std::vector<EdgeProgress>& edges) {
  for (auto& edge : edges) {
    if (edge.bytes < 0 && source.bytes > 0 && edge.from == source.name) {
      edge.bytes = source.bytes;
    }
  }
}

/// A look-up asks for rows, and no slice: its edges are drawn here.
void add_lookups(const Graph& graph, const SourceProgress& source,
                 std::vector<EdgeProgress>& edges) {
  for (const auto& dataset : graph.datasets) {
    if (std::ranges::find(dataset.plan->lookups(), source.name) != dataset.plan->lookups().end()) {
      edges.push_back({source.name, graph.name_of(dataset), source.rows, -1});
    }
  }
}

}  // namespace

/// What is known before it has run.
void Pipeline::Impl::describe_plan(PendingBatch& batch) {
  auto& progress = batch.progress;
  progress.pipeline = spec.name;
  progress.id = checkpoint->id();
  progress.run_id = run_id;
  progress.batch = batch.plan.id;
  progress.start_us = batch.plan.time_us;
  progress.facts = facts;
}

void Pipeline::Impl::describe_source(const SourceNode& node, std::size_t index,
                                     PendingBatch& batch) const {
  auto& progress = batch.progress;
  auto source = run->read_from(index);
  source.name = node.spec->name;
  source.type = node.spec->connector;
  if (const auto slice = batch.plan.slices.find(source.name); slice != batch.plan.slices.end()) {
    source.offsets = slice->second;
    source.text = batch.described[source.name].text;
    source.bytes = batch.described[source.name].bytes.value_or(0);
  }
  if (node.lookup) {
    const auto found = node.lookup->stats();
    source.text = text_of(found);
    source.rows = found.rows_read;
    source.malformed_rows = run->malformed_found(source.name);
    progress.quarantined_rows += source.malformed_rows;
    add_lookups(*graph, source, progress.edges);
  } else {
    progress.input_rows += source.rows;
    set_bytes(source, progress.edges);
  }
  source.lag = node.source->lag();
  note_share(*node.spec, source, progress.alerts);
  progress.sources.push_back(std::move(source));
}

/// What is known when a batch has run.
void Pipeline::Impl::describe(PendingBatch& batch) {
  auto& progress = batch.progress;
  describe_plan(batch);
  progress.datasets = run->dataset_counts();
  progress.edges = run->edges();
  for (std::size_t i = 0; i < graph->sources.size(); i++) {
    describe_source(graph->sources[i], i, batch);
  }
  for (const auto& dataset : progress.datasets) {
    progress.quarantined_rows += dataset.malformed;
    progress.late_rows += dataset.late.rows;
  }
  progress.alerts.insert(progress.alerts.end(), run->alerts().begin(), run->alerts().end());
  progress.watermarks = run->watermarks();
  progress.sinks.reserve(graph->sinks.size());
  for (std::size_t i = 0; i < graph->sinks.size(); i++) {
    progress.sinks.push_back({.name = graph->sinks[i].spec->name,
                              .write = run->written(i),
                              .quarantine = graph->sinks[i].spec->quarantine});
  }
  const auto taken = std::exchange(snapshot, {});
  progress.snapshot_us = taken.us;
  progress.snapshot_bytes = taken.bytes;
  progress.memory_bytes = database.memory_bytes();
}

/// Keeps what is known of a batch that failed while it ran.
void Pipeline::Impl::note_failed(PendingBatch& batch, const std::exception_ptr& error) {
  auto& progress = batch.progress;
  const auto at = run->working_on();
  progress.failure = failure_of(error, at.empty() ? "run" : at);
  if (!progress.failure) {
    return;
  }
  progress.run_us = batch.phases.lap();
  progress.ended_us = batch.phases.total();
  progress.total_us = progress.ended_us;
  try {
    describe(batch);
  } catch (const std::exception& other) {  // the batch's own error is what counts
    Log()
        .with("pipeline", spec.name)
        .debug("what a failed batch did is not known: {}", other.what());
  }
  failed = std::move(progress);
}

}  // namespace millrace
