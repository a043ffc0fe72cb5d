#include "engine/batch_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/error.h"
#include "engine/fanout.h"
#include "engine/part_readers.h"
#include "engine/quarantine.h"
#include "engine/replay.h"
#include "sql/input_counts.h"

namespace millrace {
namespace {

bool reads_stream(const sql::Plan& plan) {
  return std::any_of(plan.inputs().begin(), plan.inputs().end(),
                     [](const auto& input) { return input.shape == sql::Shape::stream; });
}

/// How a part of a batch's rows is taken.
sql::Run part_run(const sql::Plan& plan) {
  return plan.shape() == sql::Shape::stream ? sql::Run::rows : sql::Run::absorb;
}

}  // namespace

BatchOutputs::BatchOutputs() = default;
BatchOutputs::BatchOutputs(BatchOutputs&&) noexcept = default;
BatchOutputs& BatchOutputs::operator=(BatchOutputs&&) noexcept = default;
BatchOutputs::~BatchOutputs() = default;

BatchOutputs begin_outputs(Graph& graph, const BatchPlan& plan, const Quarantines* quarantines) {
  BatchOutputs outputs;
  if (quarantines != nullptr) {
    outputs.malformed = quarantines->malformed.begin(plan.id);
    outputs.refused = quarantines->refused.begin(plan.id);
    outputs.violating = quarantines->violating.begin(plan.id);
  }
  for (auto& node : graph.sinks) {
    const auto& name = node.spec->name;
    outputs.refused_by.push_back(std::make_unique<CountedMalformed>(
        "sink " + name, "can't be written",
        // What the sink of quarantine refuses is in the checkpoint already.
        outputs.refused && !node.spec->quarantine && !node.live ? &outputs.refused->receiver(name)
                                                                : nullptr));
    node.sink->next_batch_time(plan.time_us);
    outputs.sinks.push_back(node.sink->begin(plan.id, *outputs.refused_by.back()));
  }
  return outputs;
}

BatchRun::BatchRun(Graph& graph, std::int64_t part_bytes)
    : graph_(graph),
      part_bytes_(part_bytes),
      given_to_sink_(graph.sinks.size(), 0),
      shares_(graph.datasets.size(), graph.sinks.size()) {
  for (const auto& node : graph.datasets) {
    nodes_.push_back(std::make_unique<Node>());
    nodes_.back()->input_rows.resize(node.inputs.size());
    if (node.watermark != nullptr) {
      nodes_.back()->clock =
          std::make_unique<EventClock>(*node.watermark, node.time_column, node.partition_column);
    }
  }
  std::set<std::size_t> written;
  for (const auto& sink : graph.sinks) {
    if (sink.dataset >= 0) {
      written.insert(static_cast<std::size_t>(sink.dataset));
    }
  }
  only_for(written);
  for (std::size_t i = 0; i < graph.datasets.size(); i++) {
    if (!graph.datasets[i].late_sinks.empty()) {
      nodes_[i]->late = std::make_unique<LateFanout>(*this, i);
    }
  }
}

BatchRun::~BatchRun() = default;

void BatchRun::only_for(const std::set<std::size_t>& datasets) {
  // Readers come after what they read, so one pass backwards finds all that is needed.
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const auto& readers = graph_.datasets[i].readers;
    nodes_[i]->needed =
        datasets.contains(i) || std::any_of(readers.begin(), readers.end(), [&](int r) {
          return nodes_[static_cast<std::size_t>(r)]->needed;
        });
  }
}

void BatchRun::stop_clocks() {
  for (auto& node : nodes_) {
    node->clock.reset();
  }
}

void BatchRun::touch_all(std::size_t dataset) { nodes_[dataset]->touch_all = true; }

bool BatchRun::takes_parts(std::size_t producer) const {
  const auto& node = graph_.datasets[producer];
  return node.plan->shape() == sql::Shape::stream &&
         std::all_of(node.readers.begin(), node.readers.end(), [&](int r) {
           const auto reader = static_cast<std::size_t>(r);
           return nodes_[reader]->feed || graph_.datasets[reader].plan->splittable();
         });
}

void BatchRun::run(const BatchPlan& plan, BatchOutputs& to, WorkShares::Time began) {
  to_ = &to;
  last_time_us_ = plan.time_us;
  shares_.begin(began);
  running_.reset();
  begin_nodes(plan);
  begin_lookups();
  open_feeds();
  auto before = shares_.since_began(std::chrono::steady_clock::now());
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (nodes_[i]->needed && !is_kept(i, plan)) {
      auto& node = *nodes_[i];
      if (is_table_source(i)) {
        node.gathered.reset();
      }
      running_ = i;
      run_node(i, plan);
      end_node(i, plan);
      const auto after = shares_.since_began(std::chrono::steady_clock::now());
      node.counts.run = {before, std::max<std::int64_t>(after - before - node.lent_us, 0)};
      before = after;
    }
  }
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (!is_table_source(i)) {
      nodes_[i]->gathered.reset();
    }
  }
  end_checks();
}

/// All rows were counted. Throws if the batch fails by a check.
void BatchRun::end_checks() {
  alerts_.clear();
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    auto& node = *nodes_[i];
    if (!node.checks) {
      continue;
    }
    const auto& of = graph_.name_of(graph_.datasets[i]);
    node.counts.checks = node.checks->end(check_totals_[of], alerts_);
    node.removed = node.checks->removed();
    node.counts.put_aside = node.checks->put_aside();
  }
}

bool BatchRun::is_table_source(std::size_t i) const {
  const auto& dataset = graph_.datasets[i];
  return dataset.spec == nullptr && dataset.plan->shape() == sql::Shape::table;
}

/// Whether the rows of a table that an earlier batch read are still there, and still right.
bool BatchRun::is_kept(std::size_t i, const BatchPlan& plan) const {
  return is_table_source(i) && graph_.datasets[i].sinks.empty() && nodes_[i]->gathered &&
         plan.unchanged.contains(graph_.datasets[i].name);
}

void BatchRun::begin_nodes(const BatchPlan& plan) {
  std::fill(given_to_sink_.begin(), given_to_sink_.end(), 0);
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    auto& node = *nodes_[i];
    const auto& dataset = graph_.datasets[i];
    node.feed.reset();
    node.readings.clear();
    node.counts = DatasetCounts{};
    node.counts.name = dataset.name;
    node.counts.of_source = dataset.spec == nullptr && dataset.checked < 0;
    std::ranges::fill(node.input_rows, 0);
    node.scanning.clear();
    node.lent_us = 0;
    node.sampled_rows = 0;
    node.sampled_bytes = 0;
    node.counts.stream = dataset.plan->shape() == sql::Shape::stream;
    node.counts.stream_input = reads_stream(*dataset.plan);
    if (node.needed) {
      dataset.plan->begin_batch(plan.id, plan.time_us);
      if (std::exchange(node.touch_all, false)) {
        dataset.plan->touch_all();
      }
      dataset.plan->take_late(node.late.get());
      node.counts.late_given = node.late ? 0 : -1;
    }
    node.counts.for_checks = dataset.checked >= 0;
    if (node.counts.for_checks) {
      node.counts.checked = graph_.name_of(dataset);
    }
    node.checks.reset();
    if (node.needed && dataset.checks && to_->violating) {
      node.checks = std::make_unique<CheckedRows>(
          *dataset.checks, to_->violating->receiver(graph_.name_of(dataset)));
    }
  }
}

/// What is looked up in this batch has not been read by an earlier one too long ago.
void BatchRun::begin_lookups() {
  for (const auto& source : graph_.sources) {
    if (source.lookup) {
      const auto& name = source.spec->name;
      auto& malformed = malformed_found_[name];
      malformed = std::make_unique<CountedMalformed>(
          "source " + name, "is malformed",
          to_->malformed ? &to_->malformed->receiver(name) : nullptr);
      source.lookup->begin_batch(*malformed);
    }
  }
}

void BatchRun::open_feeds() {
  for (std::size_t i = nodes_.size(); i-- > 0;) {  // readers first: a Fanout asks for their feeds
    auto& node = *nodes_[i];
    const auto& dataset = graph_.datasets[i];
    if (node.needed && dataset.plan->feedable() &&
        dataset.inputs[0].kind == Producer::Kind::dataset) {
      node.fed_to = std::make_unique<Fanout>(*this, i, OutputMode::append);
      node.feed = dataset.plan->feed(*node.fed_to);
    }
  }
}

void BatchRun::run_node(std::size_t i, const BatchPlan& plan) {
  auto& node = *nodes_[i];
  const auto& dataset = graph_.datasets[i];
  give_bounds(i);
  const bool fed = node.feed != nullptr;  // then the datasets before it have fed it all its rows
  if (fed) {
    node.counts.add(node.feed->end());
    node.feed.reset();
    if (!dataset.plan->has_state()) {
      return;
    }
  }
  if (!fed) {
    give_inputs(i, plan);
  }
  if (node.counts.stream) {
    run_stream(i);
  } else {
    run_table(i);
  }
}

void BatchRun::give_inputs(std::size_t i, const BatchPlan& plan) {
  auto& node = *nodes_[i];
  const auto& dataset = graph_.datasets[i];
  const auto& inputs = dataset.plan->inputs();
  for (std::size_t k = 0; k < dataset.inputs.size(); k++) {
    const auto& input = dataset.inputs[k];
    if (input.kind == Producer::Kind::source) {
      read_source(i, k, plan);
      continue;
    }
    const auto rows = nodes_[static_cast<std::size_t>(input.index)]->gathered;
    if (!rows) {
      continue;
    }
    if (inputs[k].shape == sql::Shape::stream || !node.counts.stream_input) {
      node.counts.given += rows->rows() * inputs[k].scans;
    }
    node.input_rows[k] += rows->rows();
    dataset.plan->give(inputs[k].name, rows);
  }
}

/// Runs a plan over what it was given, and counts what came of it, and who took how long.
void BatchRun::run_plan(std::size_t i, sql::Run what, OutputMode mode) {
  auto& node = *nodes_[i];
  auto& plan = *graph_.datasets[i].plan;
  Fanout fanout(*this, i, mode);
  node.counts.add(plan.run(what, fanout));
  node.lent_us += shares_.end_run(i, fanout.section());
  for (const auto input : std::exchange(node.scanning, {})) {  // the first run reads it all
    node.input_rows[input] += sql::rows_scanned(plan, input) / plan.inputs()[input].scans;
  }
}

bool BatchRun::wants(const DatasetNode& dataset, OutputMode mode) const {
  return std::any_of(dataset.sinks.begin(), dataset.sinks.end(),
                     [&](int s) { return graph_.sinks[static_cast<std::size_t>(s)].mode == mode; });
}

void BatchRun::run_stream(std::size_t i) {
  auto& dataset = graph_.datasets[i];
  auto& plan = *dataset.plan;
  if (!plan.has_state()) {
    run_plan(i, sql::Run::rows, OutputMode::append);
    return;
  }
  if (wants(dataset, OutputMode::update)) {
    run_plan(i, sql::Run::update, OutputMode::update);
  }
  run_plan(i, sql::Run::finish, OutputMode::append);
  plan.close_windows();
  // What a stream of windows holds is wanted only to be looked at (read_committed_tables()).
  if (wants(dataset, OutputMode::complete)) {
    Fanout held(*this, i, OutputMode::complete);
    (void)plan.run(sql::Run::held, held);
  }
}

/// All that a dataset reads has run, so what is known now of values to come holds for the next
/// batch.
void BatchRun::give_bounds(std::size_t i) {
  const auto& dataset = graph_.datasets[i];
  for (std::size_t k = 0; k < dataset.inputs.size(); k++) {
    if (dataset.inputs[k].kind == Producer::Kind::dataset) {
      dataset.plan->give_bounds(dataset.plan->inputs()[k].name,
                                nodes_[static_cast<std::size_t>(dataset.inputs[k].index)]->bounds);
    }
  }
}

void BatchRun::end_node(std::size_t i, const BatchPlan& plan) {
  auto& node = *nodes_[i];
  const auto& dataset = graph_.datasets[i];
  if (!dataset.plan->event_times().empty()) {
    node.bounds = dataset.plan->bounds();
  }
  if (node.clock) {
    node.clock->end_batch(plan.time_us);
    node.bounds[node.clock->column()] = node.clock->bound();
  }
}

void BatchRun::run_table(std::size_t i) {
  const auto& dataset = graph_.datasets[i];
  // A table gives its rows once for each mode that somebody wants; the input goes in with the
  // first.
  const bool complete = wants(dataset, OutputMode::complete) ||
                        std::any_of(dataset.readers.begin(), dataset.readers.end(), [&](int r) {
                          return nodes_[static_cast<std::size_t>(r)]->needed;
                        });
  const bool update =
      wants(dataset, OutputMode::update) || std::ranges::any_of(dataset.sinks, [&](int s) {
        return graph_.sinks[static_cast<std::size_t>(s)].replaces_parts();
      });
  if (update) {
    run_plan(i, sql::Run::update, OutputMode::update);
  }
  if (complete) {
    run_plan(i, sql::Run::complete, OutputMode::complete);
  }
  if (!update && !complete) {  // nobody wants its rows: only its state is needed
    run_plan(i, sql::Run::absorb, OutputMode::complete);
  }
  dataset.plan->close_windows();
}

void BatchRun::read_source(std::size_t node, std::size_t input, const BatchPlan& plan) {
  auto& dataset = graph_.datasets[node];
  const auto& read = dataset.plan->inputs()[input];
  auto& source = graph_.sources[static_cast<std::size_t>(dataset.inputs[input].index)];
  const auto slice = plan.slices.find(source.spec->name);
  if (slice == plan.slices.end()) {
    return;
  }
  const auto& name = source.spec->name;
  MalformedReceiver* quarantine = to_->malformed ? &to_->malformed->receiver(name) : nullptr;
  auto& reading = nodes_[node]->readings.emplace_back();
  reading.source = static_cast<std::size_t>(dataset.inputs[input].index);
  reading.malformed =
      std::make_unique<CountedMalformed>("source " + name, "is malformed", quarantine);
  auto& malformed = *reading.malformed;
  auto rows = [&] {
    const auto again = replayed_batches(slice->second);
    if (!again) {
      return source.source->read(slice->second, malformed);
    }
    reading.kept = to_->malformed->kept(name, *again);
    return source.source->read_again(reading.kept, to_->malformed->make_folder(name), malformed);
  }();
  if (auto* files = std::get_if<FileScan>(&rows)) {
    nodes_[node]->counts.given = -1;
    // Put back by read_again() already; the scan counts its own.
    nodes_[node]->counts.malformed += malformed.count();
    nodes_[node]->scanning.push_back(input);
    const auto format = source.source->file_format();
    nodes_[node]->counts.permissive = format && format->on_malformed == OnMalformed::permissive;
    dataset.plan->give(read.name, std::move(*files), &malformed);
  } else if (auto* scan = std::get_if<SqlScan>(&rows)) {
    nodes_[node]->counts.given = -1;
    nodes_[node]->scanning.push_back(input);
    dataset.plan->give(read.name, std::move(scan->query));
  } else {
    read_rows(node, input, std::move(std::get<std::unique_ptr<RowReader>>(rows)));
    nodes_[node]->counts.malformed += malformed.count() - malformed.passed();
    nodes_[node]->counts.corrupt += malformed.passed();
  }
}

void BatchRun::read_rows(std::size_t i, std::size_t input, std::unique_ptr<RowReader> reader) {
  auto& node = *nodes_[i];
  auto& plan = *graph_.datasets[i].plan;
  const auto& read = plan.inputs()[input];
  auto& span = node.readings.back().read;
  PartReaders parts(std::move(reader), plan.splittable());
  for (bool last = false; !last;) {
    const auto from = std::chrono::steady_clock::now();
    const auto rows = plan.give(read.name, parts.next());
    const auto took = us_between(from, std::chrono::steady_clock::now());
    span.start_us = span.us == 0 ? shares_.since_began(from) : span.start_us;
    span.us += took;
    node.lent_us += took;
    node.counts.given += rows * read.scans;
    node.input_rows[input] += rows;
    last = parts.at_end(rows);
    if (!last) {  // the last part goes in with the run that gives the results out
      run_plan(i, part_run(plan), OutputMode::append);
    }
  }
}

void BatchRun::run_part(std::size_t reader, std::size_t producer,
                        std::shared_ptr<const sql::Batch> rows) {
  auto& node = *nodes_[reader];
  if (!node.needed) {
    return;
  }
  auto& dataset = graph_.datasets[reader];
  const auto input =
      std::find_if(dataset.inputs.begin(), dataset.inputs.end(), [&](const Producer& p) {
        return p.kind == Producer::Kind::dataset && std::cmp_equal(p.index, producer);
      });
  const auto& read =
      dataset.plan->inputs()[static_cast<std::size_t>(input - dataset.inputs.begin())];
  const auto from = std::chrono::steady_clock::now();
  const std::lock_guard guard(node.running);
  node.counts.given += rows->rows() * read.scans;
  node.input_rows[static_cast<std::size_t>(input - dataset.inputs.begin())] += rows->rows();
  dataset.plan->give(read.name, std::move(rows));
  Fanout fanout(*this, reader, OutputMode::append);
  node.counts.add(dataset.plan->run(part_run(*dataset.plan), fanout));
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - from;
  const std::lock_guard given(given_mutex_);
  shares_.add_dataset(producer, reader, took.count());
}

Json BatchRun::save_event_time() const {
  Json watermarks = Json::object();
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (nodes_[i]->clock) {
      watermarks[graph_.name_of(graph_.datasets[i])] = nodes_[i]->clock->save();
    }
  }
  Json saved = {{"time_us", last_time_us_}, {"watermarks", std::move(watermarks)}};
  if (!check_totals_.empty()) {
    saved["checks"] = totals_json(check_totals_);
  }
  return saved;
}

bool BatchRun::reads(std::size_t source) const {
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    const auto& inputs = graph_.datasets[i].inputs;
    if (nodes_[i]->needed && std::ranges::any_of(inputs, [&](const Producer& input) {
          return input.kind == Producer::Kind::source && std::cmp_equal(input.index, source);
        })) {
      return true;
    }
  }
  return false;
}

bool BatchRun::is_due(std::int64_t now_us) const {
  bool due = false;
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    due = due || (nodes_[i]->needed && graph_.datasets[i].plan->is_due(now_us));
  }
  return due;
}

void BatchRun::load_event_time(const Json& saved) {
  if (!saved.is_object()) {
    return;
  }
  last_time_us_ = saved.value("time_us", last_time_us_);
  check_totals_ = totals_of(saved.value("checks", Json::object()));
  const auto watermarks = saved.value("watermarks", Json::object());
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    const auto& name = graph_.name_of(graph_.datasets[i]);
    if (nodes_[i]->clock && watermarks.contains(name)) {
      nodes_[i]->clock->load(watermarks.at(name));
    }
  }
}
}  // namespace millrace
