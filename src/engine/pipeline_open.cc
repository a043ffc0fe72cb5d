// How a pipeline begins: with what its checkpoint says.
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "engine/facts.h"
#include "engine/fingerprints.h"
#include "engine/live_sink.h"
#include "engine/pipeline_impl.h"
#include "engine/replay.h"

namespace millrace {
namespace {

std::string random_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

/// The folder or file that a connection names; empty: none.
std::string path_of(const Node& connection, const std::string& base_dir) {
  const auto* path = connection.find("path");
  return path == nullptr ? std::string() : resolve_path(base_dir, path->text);
}

/// Whether a table could be read from where a sink writes: then a batch must see what the one
/// before it has published.
bool reads_own_output(const PipelineSpec& spec) {
  return std::ranges::any_of(spec.sources, [&](const SourceSpec& source) {
    const auto table = path_of(source.connection, spec.base_dir);
    return source.table && std::ranges::any_of(spec.sinks, [&](const SinkSpec& sink) {
             const auto target = path_of(sink.connection, spec.base_dir);
             return !table.empty() && !target.empty() &&
                    (table.starts_with(target) || target.starts_with(table));
           });
  });
}

}  // namespace

sql::Database::Options database_options(const PipelineSpec& spec) {
  return {.threads = spec.threads,
          .memory_limit_bytes = spec.memory_limit_bytes,
          .temp_directory = spec.checkpoint.path + "/tmp",
          .watermark_policy = spec.watermark_policy};
}

std::optional<std::chrono::milliseconds> patience_of(const TriggerSpec& trigger) {
  using Kind = TriggerSpec::Kind;
  const bool ends = trigger.kind == Kind::once || trigger.kind == Kind::available_now;
  return ends ? std::optional<std::chrono::milliseconds>(std::chrono::minutes(5)) : std::nullopt;
}

Pipeline::Impl::Impl(const PipelineSpec& of, const ConnectorList& connectors, sql::Database& in,
                     const Clock& time, Diagnostics& diagnostics, std::stop_token stop_request,
                     Serving served, bool goes_on)
    : spec(of),
      clock(time),
      stop(std::move(stop_request)),
      retrier(stop, Log().with("pipeline", of.name), {.patience = patience_of(of.trigger)}),
      database(in),
      serving(std::move(served)),
      quarantines{.malformed = {of.checkpoint.path + "/quarantine", of.checkpoint.sync},
                  .refused = {of.checkpoint.path + "/refused", of.checkpoint.sync},
                  .violating = {of.checkpoint.path + "/violating", of.checkpoint.sync}},
      run_id(random_id()) {
  graph = build_graph(spec, connectors, database, diagnostics, stop, serving, goes_on);
  if (graph) {
    run = std::make_unique<BatchRun>(*graph);
    reads_itself = reads_own_output(spec);
  }
}

bool Pipeline::Impl::open(const Start& start) {
  std::optional<Rebuild> rebuild;
  if (!start.rebuild.empty()) {
    rebuild.emplace(*graph, start.rebuild);
  }
  checkpoint = std::make_unique<Checkpoint>(
      Checkpoint::Options{.path = spec.checkpoint.path,
                          .sync = spec.checkpoint.sync,
                          .snapshot_interval = spec.checkpoint.snapshot_interval,
                          .snapshot_log_bytes = spec.checkpoint.snapshot_log_bytes},
      spec.name);
  const auto now = fingerprints(*graph);
  facts = facts_of(*graph, now);
  check_fingerprints(checkpoint->fingerprints(), now, *graph, spec.checkpoint.path,
                     rebuild ? rebuild->datasets() : std::set<std::size_t>());
  Restored restored;
  const auto recovered = recover(restored, rebuild ? &*rebuild : nullptr);
  quarantines.malformed.open();
  quarantines.refused.open();
  quarantines.violating.open();
  if (!rebuild) {
    checkpoint->set_fingerprints(now);
  }
  open_sources(restored);
  open_sinks(recovered.last_committed);
  next_batch = recovered.last_committed.value_or(-1) + 1;
  if (rebuild && !make_anew(*rebuild, recovered, start)) {
    return false;
  }
  if (recovered.last_committed) {
    fill_live(*recovered.last_committed);
  }
  refresh_sinks();
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
  return true;
}

/// Reads the checkpoint back, except for states that a rebuild begins without.
Recovered Pipeline::Impl::recover(Restored& restored, Rebuild* rebuild) {
  const auto fingerprints_then = checkpoint->fingerprints();
  RecoveryVisitor visitor;
  visitor.positions = [&](const auto& of_snapshot) { restored.positions = of_snapshot; };
  visitor.state = [&](const std::string& dataset, const NextPiece& next) {
    const auto producer = graph->find(dataset);
    if (!producer || producer->kind != Producer::Kind::dataset) {
      return;
    }
    const auto i = static_cast<std::size_t>(producer->index);
    if (rebuild != nullptr && rebuild->takes_part(i)) {
      rebuild->note_state(i, next, fingerprints_then);
    } else {
      auto& on_disk = state_disk_bytes[dataset];
      graph->datasets[i].plan->apply([&](std::string& piece) {
        const bool is_there = next(piece);
        on_disk += is_there ? static_cast<std::int64_t>(piece.size()) : 0;
        return is_there;
      });
    }
  };
  visitor.committed = [&](const LoggedBatch& batch) {
    for (const auto& [source, offsets] : batch.slices) {
      if (const auto again = replayed_batches(offsets)) {
        quarantines.malformed.remove(source, *again, batch.batch);
      } else {
        restored.advanced[source].push_back(offsets);
      }
    }
  };
  visitor.event_time = [&](const Json& saved) { run->load_event_time(saved); };
  return checkpoint->recover(visitor);
}

void Pipeline::Impl::open_sources(const Restored& restored) {
  for (auto& node : graph->sources) {
    const auto position = restored.positions.find(node.spec->name);
    node.source->open(position == restored.positions.end() ? std::nullopt
                                                           : std::optional(position->second));
    if (const auto advanced = restored.advanced.find(node.spec->name);
        advanced != restored.advanced.end()) {
      for (const auto& offsets : advanced->second) {
        node.source->advance(offsets);
      }
    }
  }
}

void Pipeline::Impl::open_sinks(std::optional<std::int64_t> last_committed) {
  for (auto& node : graph->sinks) {
    retrier([&] {
      auto start = sink_start(*graph, node, checkpoint->id(), last_committed);
      start.tell_trouble = [this, name = node.spec->name](const std::string& why) {
        on_trouble(name, why);
      };
      node.sink->open(start);
    });
  }
}

/// Runs a rebuild and makes it durable in one step. False: a stop was requested.
bool Pipeline::Impl::make_anew(Rebuild& rebuild, const Recovered& recovered, const Start& start) {
  rebuild.check_sinks(recovered.unfinished);
  if (!recovered.last_committed) {
    start.say("nothing was committed yet, so there is nothing to rebuild");
    checkpoint->set_fingerprints(fingerprints(*graph));
    return true;
  }
  start.say("rebuilding " + rebuild.text() + " from the input so far");
  const Rebuild::Until until{*recovered.last_committed, run->last_time_us(),
                             run->save_event_time()};
  if (!rebuild.run(until, stop, start.say)) {
    start.say("stopped in the middle of the rebuild: the checkpoint is as it was");
    return false;
  }
  rebuild.restore_others();
  fault_point("rebuild.before_snapshot");
  checkpoint->write_rebuilt(positions(), run->save_event_time(),
                            [&](const auto& put) { write_states(put); },
                            {rebuild.names(), fingerprints(*graph), recovered.unfinished});
  return true;
}

/// What tables hold as of the last committed batch can be read before the next one has run.
void Pipeline::Impl::fill_live(std::int64_t last_committed) {
  if (serving.live == nullptr) {
    return;
  }
  retrier([&] {  // tables are read from systems outside
    fill_live_tables(*graph, serving, {last_committed, run->last_time_us(), {}, {}},
                     run->save_event_time());
  });
  BatchProgress progress;
  for (const auto& w : run->watermarks()) {
    progress.watermarks.push_back({w.name, w.us, w.partition, w.idle});
  }
  show_live(last_committed, run->last_time_us(), progress);
}

void Pipeline::Impl::show_live(std::int64_t batch, std::int64_t time_us,
                               const BatchProgress& progress) const {
  if (serving.live != nullptr) {
    const auto* slowest = progress.slowest();
    serving.live->commit({.batch = batch,
                          .time_us = time_us,
                          .watermark_us = slowest == nullptr ? std::nullopt : slowest->us});
  }
}

std::int64_t Pipeline::Impl::live_bytes() const {
  return serving.live == nullptr ? 0 : serving.live->bytes();
}

/// After a rebuild the next batch runs even without new rows: any group may be another one.
void Pipeline::Impl::refresh_sinks() {
  for (const auto& name : checkpoint->just_rebuilt()) {
    const auto producer = graph->find(name);
    if (producer && producer->kind == Producer::Kind::dataset) {
      run->touch_all(static_cast<std::size_t>(producer->index));
      for (const int sink : graph->datasets[static_cast<std::size_t>(producer->index)].sinks) {
        graph->sinks[static_cast<std::size_t>(sink)].sink->next_batch_is_whole();
      }
      refresh = true;
    }
  }
}

}  // namespace millrace
