#include "sql/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sql/internal/error.h"
#include "sql/internal/file_scan.h"
#include "sql/internal/operators/stateful.h"
#include "sql/internal/parallel.h"
#include "sql/internal/plan.h"
#include "sql/internal/state/codec.h"
#include "sql/internal/state/compaction.h"

namespace millrace::sql {

namespace {

/// Forgets what a run was given, however it ends.
template <class End>
class AtEnd {
 public:
  explicit AtEnd(End end) : end_(std::move(end)) {}
  ~AtEnd() { end_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  End end_;
};

template <class Call>
auto in_transaction(Plan::Impl& plan, const Call& call) {
  as_run_error([&] { plan.connection.context->RunFunctionInTransaction(call); });
}

std::int64_t total(const std::vector<const RowCounter*>& counters) {
  std::int64_t rows = 0;
  for (const RowCounter* counter : counters) {
    rows += counter->rows;
  }
  return rows;
}

}  // namespace

void release_states(const duckdb::PhysicalOperator& op) {
  auto& released = const_cast<duckdb::PhysicalOperator&>(op);
  released.sink_state.reset();
  released.op_state.reset();
  for (const auto& child : op.GetChildren()) {
    release_states(child.get());
  }
}

Plan::Impl::Impl(duckdb::DuckDB& duck) : connection(duck) {}

Plan::Impl::~Impl() {
  prepared.reset();
  run.states.clear();
}

sql::Input& Plan::Impl::input(std::string_view wanted) const {
  for (const auto& input : run.inputs) {
    if (duckdb::StringUtil::CIEquals(input->declared->name, std::string(wanted))) {
      return *input;
    }
  }
  throw Error(Blame::internal, fmt::format("dataset `{}` does not read `{}`", name, wanted));
}

void Plan::Impl::forget_input() {
  run.receiver = nullptr;
  run.scanners.clear();
  for (const auto& input : run.inputs) {
    input->given = std::monostate();
    input->quarantine = nullptr;
  }
}

void Plan::Impl::execute() {
  duckdb::case_insensitive_map_t<duckdb::BoundParameterData> no_values;
  duckdb::PendingQueryParameters parameters;
  parameters.parameters = &no_values;
  parameters.query_parameters =
      duckdb::QueryParameters(duckdb::QueryResultOutputType::FORCE_MATERIALIZED);
  duckdb::ClientContext& context = *connection.context;
  auto pending = context.PendingQuery(sql, prepared, parameters);
  if (pending->HasError()) {
    run.carrier.rethrow_ours();
    throw run_error(pending->GetErrorObject());
  }
  const auto result = pending->Execute();
  if (result->HasError()) {
    run.carrier.rethrow_ours();
    throw run_error(result->GetErrorObject());
  }
  for (const auto& scanner : run.scanners) {
    scanner->finish(context);
  }
}

RunCounts Plan::Impl::counts() const {
  RunCounts counts;
  for (const auto& input : run.inputs) {
    const bool stream = input->declared->shape == Shape::stream;
    (stream ? counts.scanned : counts.looked_up) += input->scanned;
    counts.malformed += input->malformed;
  }
  for (const CountedStep& step : run.steps) {
    const std::int64_t more = total(step.out) - total(step.in);
    (more > 0 ? counts.expanded : counts.filtered) += std::abs(more);
  }
  counts.absorbed = run.absorbed;
  counts.emitted = run.emitted;
  counts.duplicates = run.duplicates;
  const auto add_late = [&counts](auto& state, bool gives_late) {
    const LateRows late = state.take_late();
    counts.late.add(late);
    counts.late_whole += gives_late ? late.rows : 0;
  };
  for (const auto& state : run.states) {
    add_late(*state, state->spec().gives_late);
  }
  for (const auto& session : run.sessions) {
    add_late(*session, session->layout().gives_late);
  }
  counts.out = run.out;
  if (shape == Shape::table && run.mode != Run::absorb) {
    // A stream whose rows can't matter (WHERE false) leaves a table without state.
    const bool reads_stream = std::ranges::any_of(
        inputs, [](const Plan::Input& input) { return input.shape == Shape::stream; });
    const auto came = !run.states.empty() ? counts.emitted - run.released
                      : reads_stream      ? counts.scanned
                                          : counts.looked_up;
    counts.cut = came - counts.out;
  }
  return counts;
}

Plan::Plan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Plan::~Plan() = default;

const std::string& Plan::name() const noexcept { return impl_->name; }
const Schema& Plan::schema() const noexcept { return impl_->schema; }
Shape Plan::shape() const noexcept { return impl_->shape; }
bool Plan::has_state() const noexcept {
  return !impl_->run.states.empty() || !impl_->run.sessions.empty();
}
const std::optional<std::vector<std::string>>& Plan::key() const noexcept { return impl_->key; }
const std::vector<Plan::Input>& Plan::inputs() const noexcept { return impl_->inputs; }
const std::vector<std::string>& Plan::lookups() const noexcept { return impl_->lookups; }
std::string Plan::explain() const { return impl_->explained; }
const EventTimes& Plan::event_times() const noexcept { return impl_->event_times; }
bool Plan::holds_windows() const noexcept {
  return shape() == Shape::stream &&
         (impl_->run.states.size() > impl_->run.new_rows.size() || !impl_->run.sessions.empty());
}
const Schema& Plan::late_schema() const noexcept { return impl_->late_schema; }
const std::optional<std::string>& Plan::refuses_late() const noexcept {
  return impl_->late_refusal;
}
void Plan::take_late(Receiver* to) noexcept { impl_->run.late.receiver = to; }
const std::vector<std::string>& Plan::warnings() const noexcept { return impl_->warnings; }
std::string Plan::state_text() const { return impl_->state_text; }
std::string Plan::state_keys() const { return impl_->state_keys; }
std::string Plan::state_schema() const { return impl_->state_schema; }

std::optional<std::string> Plan::refuses(OutputMode mode) const {
  const auto found = impl_->refusals.find(mode);
  return found == impl_->refusals.end() ? std::nullopt : std::optional(found->second);
}

bool Plan::splittable() const noexcept {
  return impl_->inputs.size() == 1 && impl_->inputs[0].shape == Shape::stream;
}

bool Plan::feedable() const noexcept { return !impl_->feed_paths.empty(); }

std::unique_ptr<Feed> Plan::feed(Receiver& to) { return open_feed(*impl_, to); }

void Plan::begin_batch(std::int64_t batch, std::int64_t time_us) {
  RunContext& run = impl_->run;
  run.time_us = time_us;
  for (const auto& seeds : run.seeds) {
    seeds->begin_batch(batch, time_us);
  }
  if (std::ranges::any_of(run.states, [](const auto& state) { return needs_compaction(*state); })) {
    in_transaction(*impl_, [&] {
      for (const auto& state : run.states) {
        compact(*state);
      }
    });
  }
  impl_->begin_epoch();
}

void Plan::Impl::begin_epoch() {
  ++epoch;
  for (const auto& state : run.states) {
    state->begin_epoch(epoch, run.time_us);
  }
  for (const auto& rows : run.new_rows) {
    rows->clear();
  }
  for (const auto& session : run.sessions) {
    session->begin_epoch();
  }
}

StateCodec Plan::Impl::codec() const { return {run.states, run.sessions, state_schema}; }

void Plan::give(std::string_view input, std::shared_ptr<const Batch> rows) {
  impl_->input(input).given = std::move(rows);
}

std::int64_t Plan::give(std::string_view input,
                        std::span<const std::unique_ptr<RowReader>> readers) {
  auto& into = impl_->input(input);
  std::vector<Batch> parts;
  parts.reserve(readers.size());
  for (std::size_t i = 0; i < readers.size(); ++i) {
    parts.emplace_back(into.declared->schema, into.columns);
  }
  for_each_in_parallel(*impl_->connection.context, readers.size(),
                       [&](std::size_t i) { parts[i].read(*readers[i]); });
  auto all = std::make_shared<Batch>(into.declared->schema, into.columns);
  for (Batch& part : parts) {
    all->append(std::move(part));
  }
  into.given = all;
  return all->rows();
}

void Plan::give(std::string_view input, FileScan files, MalformedReceiver* quarantine) {
  impl_->input(input).given = std::move(files);
  impl_->input(input).quarantine = quarantine;
}

void Plan::give(std::string_view input, std::string store_query) {
  impl_->input(input).given = std::move(store_query);
}

void Plan::give_bounds(std::string_view input, const TimeBounds& bounds) {
  impl_->input(input).bounds = bounds;
}

TimeBounds Plan::bounds() {
  TimeBounds bounds;
  in_transaction(*impl_, [&] {
    for (const auto& [column, bound] : impl_->output_bounds) {
      bounds[column] = bound.evaluate(*impl_->connection.context);
    }
  });
  return bounds;
}

void Plan::Impl::set_closing() {
  duckdb::ClientContext& context = *connection.context;
  context.RunFunctionInTransaction([&] {
    for (const auto& state : run.states) {
      const std::int64_t bound =
          state->bound() == nullptr ? kIdle : state->bound()->evaluate(context);
      if (bound != kIdle) {
        state->set_closing(bound);
      }
    }
  });
}

bool Plan::is_due(std::int64_t time_us) {
  RunContext& run = impl_->run;
  const auto is_open = [](const auto& state) {
    return state->bound() != nullptr && state->bound()->follows_clock() &&
           state->first_window() != kAfterAll;
  };
  if (std::ranges::none_of(run.states, is_open)) {
    return false;
  }
  bool due = false;
  run.time_us = time_us;
  in_transaction(*impl_, [&] {
    for (const auto& state : run.states) {
      due = due || (is_open(state) &&
                    state->bound()->evaluate(*impl_->connection.context) > state->first_window());
    }
  });
  return due;
}

void Plan::close_windows() {
  for (const auto& state : impl_->run.states) {
    state->forget_before(state->closing_before());
  }
}

RunCounts Plan::run(Run what, Receiver& to) {
  RunContext& run = impl_->run;
  const AtEnd forget([this] { impl_->forget_input(); });
  const bool for_streams = what == Run::rows || what == Run::finish || what == Run::held;
  if (what != Run::update && for_streams != (shape() == Shape::stream)) {
    throw Error(Blame::internal, fmt::format("dataset `{}` is a {}, and can't run so", impl_->name,
                                             shape() == Shape::stream ? "stream" : "table"));
  }
  run.mode = what;
  run.receiver = &to;
  run.carrier.clear();
  run.reset_counters();
  for (const auto& seeds : run.seeds) {
    seeds->begin_run();
  }
  if (what == Run::absorb && !has_state()) {
    return impl_->counts();  // the optimizer found that no row can ever reach the aggregation
  }
  {
    const AtEnd release([this] { release_states(impl_->prepared->physical_plan->Root()); });
    try {
      if (completes_input(what)) {
        impl_->set_closing();
      }
      impl_->execute();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      run.carrier.rethrow_ours();
      throw run_error(duckdb::ErrorData(error));
    }
  }
  return impl_->counts();
}

void Plan::write_changes(const PutBytes& put) const {
  in_transaction(*impl_, [&] { impl_->codec().write(StateCodec::Part::touched, put); });
}

void Plan::write_snapshot(const PutBytes& put) const {
  in_transaction(*impl_, [&] { impl_->codec().write(StateCodec::Part::all, put); });
}

void Plan::apply(const GetBytes& get) {
  impl_->begin_epoch();
  in_transaction(*impl_, [&] { impl_->codec().apply(get); });
  impl_->begin_epoch();  // what was restored is not what a batch touches
}

void Plan::clear_state() {
  for (const auto& state : impl_->run.states) {
    state->clear();
  }
  for (const auto& session : impl_->run.sessions) {
    session->clear();
  }
}

void Plan::touch_all() {
  for (const auto& state : impl_->run.states) {
    if (!state->spec().deduplicates) {
      state->touch_all();
    }
  }
}

std::string Plan::windows_text() const {
  std::string text;
  for (const auto& state : impl_->run.states) {
    text += fmt::format("{}: {}; ", state->spec().deduplicates ? "keys" : "groups",
                        state->bound() == nullptr ? "kept" : state->bound()->text());
  }
  for (const auto& session : impl_->run.sessions) {
    text += fmt::format("sessions of {}: {}; ", session->layout().gap_us, session->bound().text());
  }
  return text;
}

bool Plan::follows_clock() const {
  return std::ranges::any_of(impl_->run.states,
                             [](const auto& state) {
                               return state->bound() != nullptr && state->bound()->follows_clock();
                             }) ||
         std::ranges::any_of(impl_->run.sessions,
                             [](const auto& session) { return session->bound().follows_clock(); });
}

bool Plan::may_skip_closed() const {
  const auto& states = impl_->run.states;
  return impl_->run.sessions.empty() && states.size() == 1 && !states[0]->spec().deduplicates;
}

void Plan::close_as(const ClosedWindows& closed) {
  for (const auto& [i, bound] : closed.states) {
    if (i < impl_->run.states.size()) {
      impl_->run.states[i]->set_closing(bound);
    }
  }
  for (const auto& [i, watermark] : closed.sessions) {
    if (i < impl_->run.sessions.size()) {
      impl_->run.sessions[i]->advance(watermark);
    }
  }
}

bool Plan::forgets() const {
  return std::ranges::all_of(impl_->run.states, [](const auto& state) {
    return state->spec().windowed || state->spec().mortal;
  });
}

StateStats Plan::state_stats() const {
  StateStats stats;
  const auto note_oldest = [&stats](const auto& state) {
    const auto text = state.oldest_text();
    if (!text.empty() && (stats.oldest.empty() || text < stats.oldest)) {
      stats.oldest = text;
    }
    if (const auto us = state.oldest_us(); us && (!stats.oldest_us || *us < *stats.oldest_us)) {
      stats.oldest_us = us;
    }
  };
  for (const auto& state : impl_->run.states) {
    stats.rows += state->rows();
    stats.bytes += state->bytes();
    stats.changed += state->touched();
    stats.evicted += state->forgotten();
    stats.windows += state->windows();
    note_oldest(*state);
  }
  for (const auto& session : impl_->run.sessions) {
    stats.rows += session->rows();
    stats.bytes += session->bytes();
    stats.changed += session->touched();
    stats.evicted += session->forgotten();
    stats.windows += session->sessions();
    note_oldest(*session);
  }
  return stats;
}

}  // namespace millrace::sql
