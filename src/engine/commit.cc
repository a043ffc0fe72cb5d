#include "engine/commit.h"

#include "base/fault.h"
#include "engine/quarantine.h"

namespace millrace {
namespace {

void count_sinks(const PendingBatch& batch, const Graph& graph, std::vector<SinkCounts>& counts) {
  for (std::size_t i = 0; i < batch.outputs.sinks.size(); i++) {
    const auto stats = batch.outputs.sinks[i]->stats();
    counts.push_back({.name = graph.sinks[i].spec->name,
                      .given = batch.given_to_sinks[i],
                      .written = stats.rows,
                      .refused = batch.outputs.refused_by[i]->count(),
                      .bytes = stats.bytes,
                      .files = stats.files});
  }
}

Json summary_of(const PendingBatch& batch, std::int64_t now_us) {
  Json summary = {{"time_us", now_us},
                  {"datasets", Json::object()},
                  {"sinks", Json::object()},
                  {"event_time", batch.event_time}};
  for (const auto& d : batch.progress.datasets) {
    summary["datasets"][d.name] = {{"in", d.in},
                                   {"out", d.out},
                                   {"quarantined", d.malformed},
                                   {"state_rows", d.state_rows},
                                   {"state_bytes", d.state_bytes}};
    if (!d.oldest.empty()) {
      summary["datasets"][d.name]["windows"] = d.windows;
      summary["datasets"][d.name]["oldest"] = d.oldest;
    }
  }
  for (const auto& s : batch.progress.sinks) {
    summary["sinks"][s.name] = {
        {"rows", s.written}, {"refused", s.refused}, {"bytes", s.bytes}, {"files", s.files}};
  }
  return summary;
}

void commit(PendingBatch& batch, const Graph& graph, Checkpoint& checkpoint, const Clock& clock) {
  Phases phases;
  auto& progress = batch.progress;
  const auto& plan = batch.plan;
  if (!batch.offsets_logged) {
    checkpoint.log_offsets({plan.id, plan.time_us, plan.slices, batch.event_time_before});
  }
  progress.log_us = phases.lap();
  for (const auto& sink : batch.outputs.sinks) {
    sink->stage();
    fault_point("batch.after_stage");
  }
  count_sinks(batch, graph, progress.sinks);
  check_accounts(plan.id, progress.datasets, progress.sinks);
  batch.outputs.malformed->publish();
  batch.outputs.refused->publish();
  auto states = batch.states.get_future().get();
  progress.stage_us = phases.lap();
  for (const auto& sink : batch.outputs.sinks) {
    sink->publish();
    fault_point("batch.after_publish");
  }
  progress.publish_us = phases.lap();
  checkpoint.log_commit(plan.id, std::move(states), summary_of(batch, clock.now_us()));
  progress.commit_us = phases.lap();
}

}  // namespace

void commit_batch(PendingBatch& batch, const Graph& graph, Checkpoint& checkpoint,
                  const Clock& clock) {
  try {
    commit(batch, graph, checkpoint, clock);
  } catch (...) {
    batch.outputs.sinks.clear();  // the next batch may wait for their end
    throw;
  }
}

}  // namespace millrace
