#include "engine/commit.h"

#include "base/fault.h"
#include "core/growing_columns.h"
#include "core/retrying_sink.h"
#include "engine/quarantine.h"
#include "engine/quarantine_sink.h"

namespace millrace {
namespace {

void count_sinks(const PendingBatch& batch, const Graph& graph, std::vector<SinkCounts>& counts) {
  for (std::size_t i = 0; i < batch.outputs.sinks.size(); i++) {
    auto& sink = counts[i];
    sink.given = batch.given_to_sinks[i];
    if (graph.sinks[i].live) {
      sink.written = sink.given;
      continue;
    }
    const auto stats = batch.outputs.sinks[i]->stats();
    sink.written = stats.rows;
    sink.refused = batch.outputs.refused_by[i]->count();
    sink.kept = stats.kept;
    sink.bytes = stats.bytes;
    sink.files = stats.files;
  }
}

/// Of a batch that failed, as far as its sinks are still told of.
void count_retries(const Graph& graph, std::vector<SinkCounts>& counts) {
  for (std::size_t i = 0; i < graph.sinks.size() && counts.size() == graph.sinks.size(); i++) {
    if (auto* const sink = dynamic_cast<RetryingSink*>(graph.sinks[i].sink.get())) {
      counts[i].retries = sink->take_retries();
    }
  }
}

Json summary_of(const PendingBatch& batch, std::int64_t now_us) {
  Json summary = {{"time_us", now_us},
                  {"datasets", Json::object()},
                  {"sinks", Json::object()},
                  {"event_time", batch.event_time}};
  for (const auto& d : batch.progress.datasets) {
    if (d.for_checks && d.state_bytes == 0) {
      continue;
    }
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

/// Stages the sinks: last the one of what is put aside, as the others may still refuse rows then.
void stage(PendingBatch& batch, const Graph& graph) {
  auto& to = batch.outputs;
  auto& counts = batch.progress.sinks;
  const auto stage_those = [&](bool quarantine) {
    for (std::size_t i = 0; i < to.sinks.size(); i++) {
      if (graph.sinks[i].spec->quarantine != quarantine) {
        continue;
      }
      if (quarantine) {
        batch.given_to_sinks[i] = write_quarantined(to, *to.sinks[i]);
      }
      batch.at = "sink " + counts[i].name;
      const SpanTimer timer(counts[i].stage, batch.phases.start());
      to.sinks[i]->stage();
      fault_point("batch.after_stage");
    }
  };
  stage_those(false);
  batch.at = "quarantine";
  for (auto* kept : {to.malformed.get(), to.refused.get(), to.violating.get()}) {
    kept->publish();
  }
  stage_those(true);
}

void commit(PendingBatch& batch, const Graph& graph, Checkpoint& checkpoint, const Clock& clock,
            const std::function<void(std::int64_t, std::string_view)>& on_phase) {
  Phases phases;
  auto& progress = batch.progress;
  progress.commit_start_us = us_between(batch.phases.start(), phases.start());
  batch.at = "commit";
  const auto& plan = batch.plan;
  on_phase(plan.id, "stage");
  if (!batch.offsets_logged) {
    checkpoint.log_offsets({plan.id, plan.time_us, plan.slices, batch.event_time_before});
  }
  progress.log_us = phases.lap();
  stage(batch, graph);
  batch.at = "commit";
  count_sinks(batch, graph, progress.sinks);
  check_accounts(plan.id, progress.datasets, progress.sinks);
  auto states = batch.states.get_future().get();
  progress.stage_us = phases.lap();
  on_phase(plan.id, "commit");
  for (std::size_t i = 0; i < batch.outputs.sinks.size(); i++) {
    batch.at = "sink " + progress.sinks[i].name;
    const SpanTimer timer(progress.sinks[i].publish, batch.phases.start());
    batch.outputs.sinks[i]->publish();
    fault_point("batch.after_publish");
  }
  batch.at = "commit";
  count_retries(graph, progress.sinks);
  for (std::size_t i = progress.sinks.size(); i-- > 0;) {  // those of live tables are nobody's
    if (graph.sinks[i].live) {
      progress.sinks.erase(progress.sinks.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  progress.publish_us = phases.lap();
  checkpoint.log_commit(plan.id, std::move(states), summary_of(batch, clock.now_us()));
  progress.commit_us = phases.lap();
  progress.ended_us = batch.phases.total();
}

}  // namespace

std::optional<BatchFailure> failure_of(const std::exception_ptr& error, std::string where) {
  BatchFailure failure{.message = "unknown", .where = std::move(where)};
  try {
    std::rethrow_exception(error);
  } catch (const Stopped&) {
    return std::nullopt;
  } catch (const ColumnsGrew&) {
    return std::nullopt;
  } catch (const Error& known) {
    failure.message = known.what();
    failure.blame = known.blame();
    failure.retry = known.retry();
  } catch (const std::exception& other) {
    failure.message = other.what();
  }
  return failure;
}

void commit_batch(PendingBatch& batch, const Graph& graph, Checkpoint& checkpoint,
                  const Clock& clock,
                  const std::function<void(std::int64_t, std::string_view)>& on_phase) {
  try {
    commit(batch, graph, checkpoint, clock, on_phase);
  } catch (...) {
    count_retries(graph, batch.progress.sinks);
    batch.progress.failure = failure_of(std::current_exception(), batch.at);
    batch.progress.ended_us = batch.phases.total();
    batch.outputs.sinks.clear();  // the next batch may wait for their end
    throw;
  }
}

}  // namespace millrace
