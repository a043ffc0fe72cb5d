#include "engine/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/fault.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/kept_columns.h"
#include "engine/pipeline_impl.h"
#include "engine/replay.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

// Of a batch; fewer rows are committed before a thread has woken up.
constexpr std::int64_t kWorthCommittingBeside = 10'000;

double per_second(std::int64_t rows, std::int64_t us) {
  return us <= 0 ? 0 : static_cast<double>(rows) * 1e6 / static_cast<double>(us);
}

}  // namespace

Pipeline::Pipeline(const PipelineSpec& spec, const ConnectorList& connectors,
                   sql::Database& database, const Clock& clock, Diagnostics& diagnostics,
                   std::stop_token stop, Serving serving, bool goes_on)
    : impl_(std::make_unique<Impl>(spec, connectors, database, clock, diagnostics, std::move(stop),
                                   std::move(serving), goes_on)) {}
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

std::optional<BatchProgress> Pipeline::take_failed() {
  return std::exchange(impl_->failed, std::nullopt);
}

const std::string& Pipeline::id() const noexcept { return impl_->checkpoint->id(); }

const Graph& Pipeline::graph() const noexcept { return *impl_->graph; }

std::vector<BatchProgress> Pipeline::finish() {
  std::vector<BatchProgress> committed;
  impl_->attempt([&] { impl_->finish_commit(committed); });
  return committed;
}

bool Pipeline::replay(const std::vector<std::string>& sources) {
  auto files = kept_files(impl_->quarantines.malformed.folder());
  std::erase_if(files, [&](const KeptFile& file) {
    return !sources.empty() && std::ranges::find(sources, file.of) == sources.end();
  });
  return replay_files(std::move(files));
}

bool Pipeline::replay_files(std::vector<KeptFile> files) {
  for (const auto& [source, slice] : impl_->replay) {
    for (const auto batch : replayed_batches(slice).value_or(std::vector<std::int64_t>())) {
      files.push_back({.of = source, .batch = batch});
    }
  }
  std::erase_if(files, [&](const KeptFile& file) {
    // A table is read whole by every batch; a source may have left the pipeline.
    return std::ranges::none_of(impl_->graph->sources, [&](const auto& node) {
      return node.spec->name == file.of && !node.spec->table;
    });
  });
  impl_->replay = replay_slices(files);
  return !impl_->replay.empty();
}

std::int64_t Pipeline::next_batch() const noexcept {
  return impl_->unfinished ? impl_->unfinished->id : impl_->next_batch;
}

bool Pipeline::snapshot() {
  if (!impl_->checkpoint->has_news()) {
    return false;
  }
  impl_->attempt([&] { impl_->write_snapshot(); });
  impl_->checkpoint->check_snapshot(/*wait=*/true);
  return true;
}

void Pipeline::set_memory_limit(std::int64_t bytes) {
  (void)impl_->database.query(fmt::format("SET GLOBAL memory_limit = '{}B'", bytes));
}

void Pipeline::on_phase(std::function<void(std::int64_t, std::string_view)> call) {
  impl_->on_phase = std::move(call);
}

void Pipeline::on_trouble(std::function<void(const std::string&, const std::string&)> call) {
  impl_->on_trouble = std::move(call);
}

void Pipeline::close() {
  for (auto& node : impl_->graph->sinks) {
    try {
      node.sink->close();
    } catch (const Stopped&) {
      Log()
          .with("pipeline", impl_->spec.name)
          .with("sink", node.spec->name)
          .warn(
              "stopped while it waited for a system outside; what was committed and can't be "
              "seen yet is published at the next start");
    }
  }
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
  for (std::size_t i = 0; i < graph->sources.size(); i++) {
    auto& node = graph->sources[i];
    if (node.spec->table && !run->reads(i)) {
      continue;  // it may be a lake of thousands of files
    }
    auto slice = retrier([&] {
      return node.lookup        ? std::nullopt
             : node.spec->table ? plan_table(node, plan)
             : again.empty()    ? node.source->plan(plan.time_us)
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
  on_phase(plan.id, "run");
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
  try {
    batch->outputs = begin_outputs(*graph, plan, &quarantines);
    run->run(plan, batch->outputs, batch->phases.start());
    check_memory(*graph, database, live_bytes(), spec.process_memory_bytes);
    fault_point("batch.after_run");
  } catch (...) {
    note_failed(*batch, std::current_exception());
    throw;
  }
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
                      [this] { commit_batch(*committing, *graph, *checkpoint, clock, on_phase); });
  bool snapshot = false;
  try {
    auto states = changed_states(committing->plan.id);
    committing->states_bytes = static_cast<std::int64_t>(states.size());
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
      auto& on_disk = state_disk_bytes[node.name];
      node.plan->write_changes([&](std::string_view piece) {
        on_disk += static_cast<std::int64_t>(piece.size());
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
  try {
    commit.get();
  } catch (...) {
    if (committing->progress.failure) {
      failed = std::move(committing->progress);
      failed->total_us = failed->ended_us;
    }
    throw;
  }
  const auto batch = std::exchange(committing, nullptr);
  for (auto& node : graph->sinks) {
    node.sink->committed(batch->plan.id);
  }
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
  progress.state_log_bytes = batch->states_bytes;
  for (auto& dataset : progress.datasets) {
    if (const auto on_disk = state_disk_bytes.find(dataset.name);
        on_disk != state_disk_bytes.end()) {
      dataset.state_disk_bytes = on_disk->second;
    }
  }
  show_live(batch->plan.id, batch->plan.time_us, progress);
  for (const auto& sink : progress.sinks) {
    progress.output_rows += sink.quarantine ? 0 : sink.written;
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
      auto& on_disk = state_disk_bytes[node.name] = 0;
      node.plan->write_snapshot([&](std::string_view piece) {
        on_disk += static_cast<std::int64_t>(piece.size());
        snapshot.bytes += static_cast<std::int64_t>(piece.size());
        put(node.name, piece);
      });
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
  Phases phases;
  snapshot.bytes = 0;
  checkpoint->write_snapshot(positions(), run->save_event_time(),
                             [&](const auto& put) { write_states(put); });
  snapshot.us = phases.total();
}

}  // namespace millrace
