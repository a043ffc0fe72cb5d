#include "engine/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/fault.h"
#include "base/strings.h"
#include "engine/kept_columns.h"
#include "engine/pipeline_impl.h"
#include "engine/replay.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

// Of a batch; fewer rows are committed before a thread has woken up.
constexpr std::int64_t kWorthCommittingBeside = 10'000;

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

double per_second(std::int64_t rows, std::int64_t us) {
  return us <= 0 ? 0 : static_cast<double>(rows) * 1e6 / static_cast<double>(us);
}

}  // namespace

Pipeline::Pipeline(const PipelineSpec& spec, const ConnectorList& connectors, const Clock& clock,
                   Diagnostics& diagnostics, std::stop_token stop)
    : impl_(std::make_unique<Impl>(spec, connectors, clock, diagnostics, std::move(stop))) {}
Pipeline::~Pipeline() = default;

bool Pipeline::valid() const noexcept { return impl_->graph.has_value(); }
bool Pipeline::open(const Start& start) {
  bool opened = false;
  impl_->attempt([&] { opened = impl_->open(start); });
  return opened;
}
const std::string& Pipeline::opening() const noexcept { return impl_->opening; }
Pipeline::StepResult Pipeline::step(bool ahead) {
  StepResult result;
  impl_->attempt([&] { result = impl_->step(ahead); });
  return result;
}

void Pipeline::stop_at_present() {
  for (auto& node : impl_->graph->sources) {
    impl_->retrier([&] { node.source->stop_at_present(); });
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

std::vector<BatchProgress> Pipeline::finish() {
  std::vector<BatchProgress> committed;
  impl_->attempt([&] { impl_->finish_commit(committed); });
  return committed;
}

bool Pipeline::replay(const std::vector<std::string>& sources) {
  auto& slices = impl_->replay;
  slices = replay_slices(kept_files(impl_->quarantines.malformed.folder()));
  std::erase_if(slices, [&](const auto& slice) {
    // A table is read whole by every batch; a source may have left the pipeline.
    const bool can_be_read = std::ranges::any_of(impl_->graph->sources, [&](const auto& node) {
      return node.spec->name == slice.first && !node.spec->table;
    });
    return !can_be_read ||
           (!sources.empty() && std::ranges::find(sources, slice.first) == sources.end());
  });
  return !slices.empty();
}

void Pipeline::close() {
  impl_->checkpoint->check_snapshot(/*wait=*/true);
  impl_->checkpoint.reset();
}

/// Plans the next batch; false: there is nothing new.
bool Pipeline::Impl::plan_batch(PendingBatch& batch) {
  auto& plan = batch.plan;
  batch.offsets_logged = unfinished.has_value();
  if (unfinished) {
    plan = *std::exchange(unfinished, std::nullopt);
    return true;
  }
  plan.id = next_batch;
  plan.time_us = std::max(clock.now_us(), run->last_time_us() + 1);  // never the same twice
  const auto again = std::exchange(replay, {});
  bool news = run->is_due(plan.time_us) || refresh;
  for (auto& node : graph->sources) {
    auto slice = retrier([&] {
      return node.spec->table ? plan_table(node, plan)
             : again.empty()  ? node.source->plan(plan.time_us)
                              : plan_replay(again, node.spec->name);
    });
    if (slice) {
      news = news || !node.spec->table;
      plan.slices[node.spec->name] = slice->offsets;
      batch.described[node.spec->name] = std::move(*slice);
    }
  }
  if (!news) {
    return false;
  }
  for (const auto& node : graph->sources) {  // a batch that comes to nothing reads no table
    if (const auto slice = batch.described.find(node.spec->name);
        node.spec->table && slice != batch.described.end() &&
        !plan.unchanged.contains(node.spec->name)) {
      tables[node.spec->name] = {plan.time_us, slice->second};
    }
  }
  return true;
}

std::optional<Slice> Pipeline::Impl::plan_replay(const std::map<std::string, Json>& again,
                                                 const std::string& source) {
  const auto found = again.find(source);
  return found == again.end()
             ? std::nullopt
             : std::optional(Slice{.offsets = found->second, .text = "its quarantine, once more"});
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
  if (before != tables.end() && slice && node.source->offsets_tell_change() &&
      slice->offsets == before->second.slice.offsets) {
    before->second.read_us = plan.time_us;
    plan.unchanged.insert(node.spec->name);
  }
  return slice;
}

Pipeline::StepResult Pipeline::Impl::step(bool ahead) {
  if (failure) {
    std::rethrow_exception(std::exchange(failure, nullptr));
  }
  if (reads_itself) {
    ahead = false;
  }
  StepResult result;
  std::unique_ptr<PendingBatch> batch;
  try {
    batch = run_next();
  } catch (...) {
    if (!committing) {
      throw;
    }
    failure = std::current_exception();  // the batch before it is told of first
    result.ran = true;
  }
  finish_commit(result.committed);
  if (batch) {
    result.ran = true;
    start_commit(std::move(batch), ahead, result.committed);
  }
  return result;
}

/// Reads and runs the next batch, perhaps while the one before it is committed. Nothing of it can
/// be seen before its offsets are logged.
std::unique_ptr<PendingBatch> Pipeline::Impl::run_next() {
  auto batch = std::make_unique<PendingBatch>();
  if (!plan_batch(*batch)) {
    return nullptr;
  }
  const auto& plan = batch->plan;
  batch->progress.plan_us = batch->phases.lap();
  batch->event_time_before = run->save_event_time();
  for (auto& node : graph->sources) {
    if (const auto slice = plan.slices.find(node.spec->name); slice != plan.slices.end()) {
      if (!replayed_batches(slice->second)) {
        node.source->advance(slice->second);
      }
    }
  }
  next_batch = plan.id + 1;
  refresh = false;
  batch->outputs = begin_outputs(*graph, plan.id, &quarantines);
  run->run(plan, batch->outputs);
  check_memory(*graph, database);
  fault_point("batch.after_run");
  batch->progress.run_us = batch->phases.lap();
  batch->event_time = run->save_event_time();
  batch->given_to_sinks = run->given_to_sinks();
  describe(*batch);
  return batch;
}

/// Commits the batch that has just run; with `ahead`, perhaps beside the next one. Its changed
/// states are copied first, while it stages: the next one changes them again.
void Pipeline::Impl::start_commit(std::unique_ptr<PendingBatch> batch, bool ahead,
                                  std::vector<BatchProgress>& committed) {
  checkpoint->check_snapshot(/*wait=*/false);
  committing = std::move(batch);
  const bool much = committing->progress.input_rows >= worth_a_thread(kWorthCommittingBeside);
  const auto room = checkpoint->bytes_to_snapshot();  // after this the other thread has it
  commit = std::async(much ? std::launch::async : std::launch::deferred,
                      [this] { commit_batch(*committing, *graph, *checkpoint, clock); });
  bool snapshot = false;
  try {
    auto states = changed_states(committing->plan.id);
    snapshot = std::cmp_greater_equal(states.size(), room);
    committing->states.set_value(std::move(states));
  } catch (...) {
    committing->states.set_exception(std::current_exception());
  }
  if (!much || !ahead || snapshot) {
    finish_commit(committed);
    if (checkpoint->snapshot_due()) {
      write_snapshot();
    }
  }
}

std::string Pipeline::Impl::changed_states(std::int64_t batch) {
  std::string states;
  states.reserve(states_bytes);
  for (const auto& node : graph->datasets) {
    if (node.plan->has_state()) {
      node.plan->write_changes([&](std::string_view piece) {
        Checkpoint::append_state(states, batch, node.name, piece);
      });
    }
  }
  states_bytes = states.size();
  return states;
}

/// Waits for the commit that is under way, if there is one.
void Pipeline::Impl::finish_commit(std::vector<BatchProgress>& committed) {
  if (!committing) {
    return;
  }
  commit.get();
  const auto batch = std::exchange(committing, nullptr);
  for (auto& node : graph->sources) {
    const auto slice = batch->plan.slices.find(node.spec->name);
    if (slice == batch->plan.slices.end()) {
      continue;
    }
    if (const auto again = replayed_batches(slice->second)) {
      quarantines.malformed.remove(node.spec->name, *again, batch->plan.id);
    } else {
      node.source->committed(slice->second);
    }
  }
  auto& progress = batch->progress;
  for (const auto& sink : progress.sinks) {
    progress.output_rows += sink.written;
    progress.refused_rows += sink.refused;
  }
  const auto end = Steady::now();
  const auto begin = batch->phases.start();
  progress.total_us = us_between(begin, end);
  // While it was run beside the commit of the one before, the time belongs to both.
  const auto alone = previous_end ? std::max(*previous_end, begin) : begin;
  progress.processed_rows_per_second = per_second(progress.input_rows, us_between(alone, end));
  progress.input_rows_per_second =
      previous_start ? per_second(progress.input_rows, us_between(*previous_start, begin))
                     : progress.processed_rows_per_second;
  previous_start = begin;
  previous_end = end;
  committed.push_back(std::move(progress));
}

/// What is known when a batch has run.
void Pipeline::Impl::describe(PendingBatch& batch) {
  auto& progress = batch.progress;
  progress.pipeline = spec.name;
  progress.id = checkpoint->id();
  progress.run_id = run_id;
  progress.batch = batch.plan.id;
  progress.start_us = batch.plan.time_us;
  progress.datasets = run->dataset_counts();
  for (const auto& node : graph->sources) {
    SourceProgress source{.name = node.spec->name, .type = node.spec->connector};
    if (const auto slice = batch.plan.slices.find(node.spec->name);
        slice != batch.plan.slices.end()) {
      source.offsets = slice->second;
      source.text = batch.described[node.spec->name].text;
      source.bytes = batch.described[node.spec->name].bytes.value_or(0);
    }
    for (std::size_t d = 0; d < graph->datasets.size(); d++) {
      if (std::cmp_equal(node.scanned_by, d) && !node.spec->table) {
        const auto found = std::find_if(
            progress.datasets.begin(), progress.datasets.end(),
            [&](const auto& counts) { return counts.name == graph->datasets[d].name; });
        if (found != progress.datasets.end()) {
          source.rows = found->in + found->malformed;
          source.malformed_rows = found->malformed + found->corrupt;
        }
      }
    }
    source.lag = node.source->lag();
    note_share(*node.spec, source, progress.alerts);
    progress.input_rows += source.rows;
    progress.sources.push_back(std::move(source));
  }
  for (const auto& dataset : progress.datasets) {
    progress.quarantined_rows += dataset.malformed;
    progress.late_rows += dataset.late.rows;
  }
  for (const auto& w : run->watermarks()) {
    progress.watermarks.push_back({w.name, w.us, w.partition, w.idle});
  }
  progress.memory_bytes = database.memory_bytes();
}

std::map<std::string, Json> Pipeline::Impl::positions() const {
  std::map<std::string, Json> positions;
  for (const auto& node : graph->sources) {
    positions[node.spec->name] = node.source->position();
  }
  return positions;
}

void Pipeline::Impl::write_states(const Checkpoint::PutState& put) const {
  for (const auto& node : graph->datasets) {
    if (node.plan->has_state()) {
      node.plan->write_snapshot([&](std::string_view piece) { put(node.name, piece); });
    }
  }
}

/// Before the pipeline is planned with them, so that a crash in between changes nothing.
void Pipeline::Impl::keep_columns(const ColumnsGrew& grew) const {
  fault_point("columns.before_kept");
  checkpoint->set_fingerprints(with_columns(checkpoint->fingerprints(), grew));
  fault_point("columns.after_kept");
}

void Pipeline::Impl::write_snapshot() {
  checkpoint->write_snapshot(positions(), run->save_event_time(),
                             [&](const auto& put) { write_states(put); });
}

}  // namespace millrace
