#include "engine/batch_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "base/error.h"
#include "engine/fanout.h"
#include "engine/quarantine.h"
#include "engine/replay.h"

namespace millrace {
namespace {

/// Rows that readers of ours decode before the datasets run over them, and how many of them one
/// thread decodes at a time.
constexpr std::size_t kPartRows = 60 * kChunkRows;
constexpr std::size_t kReaderRows = 10 * kChunkRows;

bool reads_stream(const sql::Plan& plan) {
  return std::any_of(plan.inputs().begin(), plan.inputs().end(),
                     [](const auto& input) { return input.shape == sql::Shape::stream; });
}

/// How a part of a batch's rows is taken.
sql::Run part_run(const sql::Plan& plan) {
  return plan.shape() == sql::Shape::stream ? sql::Run::rows : sql::Run::absorb;
}

/// Ends a slice early, so that it can be read in parts.
class LimitedReader final : public RowReader {
 public:
  LimitedReader(RowReader& inner, std::size_t rows) : inner_(inner), left_(rows) {}
  std::size_t read(ChunkWriter& to) override {
    if (left_ == 0) {
      return 0;
    }
    const auto rows = inner_.read(to);
    left_ -= std::min(left_, rows);
    return rows;
  }

 private:
  RowReader& inner_;
  std::size_t left_;
};

/// A slice's rows in parts, for a plan that takes them so, or as one.
class PartReaders {
 public:
  PartReaders(std::unique_ptr<RowReader> slice, bool in_parts)
      : slice_(std::move(slice)), in_parts_(in_parts), split_(slice_->split(kReaderRows)) {}

  /// The readers of the next part.
  std::span<const std::unique_ptr<RowReader>> next() {
    if (split_.empty()) {
      limited_ = std::make_unique<LimitedReader>(*slice_, in_parts_ ? kPartRows : SIZE_MAX);
      return {&limited_, 1};
    }
    const auto begin = next_;
    const auto left = split_.size() - begin;
    const auto count = in_parts_ ? std::min(kPartRows / kReaderRows, left) : left;
    next_ += count;
    return std::span(split_).subspan(begin, count);
  }
  /// Whether the part that had so many rows was the last.
  [[nodiscard]] bool at_end(std::int64_t rows) const {
    return split_.empty() ? !in_parts_ || std::cmp_less(rows, kPartRows) : next_ == split_.size();
  }

 private:
  std::unique_ptr<RowReader> slice_;
  bool in_parts_;
  std::vector<std::unique_ptr<RowReader>> split_;
  std::size_t next_ = 0;
  std::unique_ptr<RowReader> limited_;
};

}  // namespace

BatchOutputs::BatchOutputs() = default;
BatchOutputs::BatchOutputs(BatchOutputs&&) noexcept = default;
BatchOutputs& BatchOutputs::operator=(BatchOutputs&&) noexcept = default;
BatchOutputs::~BatchOutputs() = default;

BatchOutputs begin_outputs(Graph& graph, std::int64_t batch, const Quarantines* quarantines) {
  BatchOutputs outputs;
  if (quarantines != nullptr) {
    outputs.malformed = quarantines->malformed.begin(batch);
    outputs.refused = quarantines->refused.begin(batch);
  }
  for (auto& node : graph.sinks) {
    const auto& name = node.spec->name;
    outputs.refused_by.push_back(std::make_unique<CountedMalformed>(
        "sink " + name, "can't be written",
        outputs.refused ? &outputs.refused->receiver(name) : nullptr));
    outputs.sinks.push_back(node.sink->begin(batch, *outputs.refused_by.back()));
  }
  return outputs;
}

BatchRun::BatchRun(Graph& graph, std::int64_t part_bytes)
    : graph_(graph), part_bytes_(part_bytes), given_to_sink_(graph.sinks.size(), 0) {
  for (const auto& node : graph.datasets) {
    nodes_.push_back(std::make_unique<Node>());
    if (node.watermark != nullptr) {
      nodes_.back()->clock =
          std::make_unique<EventClock>(*node.watermark, node.time_column, node.partition_column);
    }
  }
  std::set<std::size_t> written;
  for (const auto& sink : graph.sinks) {
    written.insert(static_cast<std::size_t>(sink.dataset));
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

void BatchRun::run(const BatchPlan& plan, BatchOutputs& to) {
  to_ = &to;
  last_time_us_ = plan.time_us;
  begin_nodes(plan);
  open_feeds();
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (nodes_[i]->needed && !is_kept(i, plan)) {
      if (is_table_source(i)) {
        nodes_[i]->gathered.reset();
      }
      run_node(i, plan);
      end_node(i, plan);
    }
  }
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (!is_table_source(i)) {
      nodes_[i]->gathered.reset();
    }
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
  const auto& inputs = dataset.plan->inputs();
  for (std::size_t k = 0; k < dataset.inputs.size() && !fed; k++) {
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
    dataset.plan->give(inputs[k].name, rows);
  }
  if (node.counts.stream) {
    run_stream(i);
  } else {
    run_table(i);
  }
}

bool BatchRun::wants(const DatasetNode& dataset, OutputMode mode) const {
  return std::any_of(dataset.sinks.begin(), dataset.sinks.end(),
                     [&](int s) { return graph_.sinks[static_cast<std::size_t>(s)].mode == mode; });
}

void BatchRun::run_stream(std::size_t i) {
  auto& node = *nodes_[i];
  auto& dataset = graph_.datasets[i];
  auto& plan = *dataset.plan;
  if (!plan.has_state()) {
    Fanout fanout(*this, i, OutputMode::append);
    node.counts.add(plan.run(sql::Run::rows, fanout));
    return;
  }
  if (wants(dataset, OutputMode::update)) {
    Fanout fanout(*this, i, OutputMode::update);
    node.counts.add(plan.run(sql::Run::update, fanout));
  }
  Fanout fanout(*this, i, OutputMode::append);
  node.counts.add(plan.run(sql::Run::finish, fanout));
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
  auto& node = *nodes_[i];
  const auto& dataset = graph_.datasets[i];
  // A table gives its rows once for each mode that somebody wants; the input goes in with the
  // first.
  const bool complete = wants(dataset, OutputMode::complete) ||
                        std::any_of(dataset.readers.begin(), dataset.readers.end(), [&](int r) {
                          return nodes_[static_cast<std::size_t>(r)]->needed;
                        });
  const bool update = wants(dataset, OutputMode::update);
  if (update) {
    Fanout fanout(*this, i, OutputMode::update);
    node.counts.add(dataset.plan->run(sql::Run::update, fanout));
  }
  if (complete) {
    Fanout fanout(*this, i, OutputMode::complete);
    node.counts.add(dataset.plan->run(sql::Run::complete, fanout));
  }
  if (!update && !complete) {  // nobody wants its rows: only its state is needed
    Fanout fanout(*this, i, OutputMode::complete);
    node.counts.add(dataset.plan->run(sql::Run::absorb, fanout));
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
    const auto format = source.source->file_format();
    nodes_[node]->counts.permissive = format && format->on_malformed == OnMalformed::permissive;
    dataset.plan->give(read.name, std::move(*files), &malformed);
  } else if (auto* scan = std::get_if<SqlScan>(&rows)) {
    nodes_[node]->counts.given = -1;
    dataset.plan->give(read.name, std::move(scan->query));
  } else {
    read_rows(node, read, std::move(std::get<std::unique_ptr<RowReader>>(rows)));
    nodes_[node]->counts.malformed += malformed.count() - malformed.passed();
    nodes_[node]->counts.corrupt += malformed.passed();
  }
}

void BatchRun::read_rows(std::size_t node, const sql::Plan::Input& input,
                         std::unique_ptr<RowReader> reader) {
  auto& counts = nodes_[node]->counts;
  auto& plan = *graph_.datasets[node].plan;
  PartReaders parts(std::move(reader), plan.splittable());
  for (bool last = false; !last;) {
    const auto rows = plan.give(input.name, parts.next());
    counts.given += rows * input.scans;
    last = parts.at_end(rows);
    if (!last) {  // the last part goes in with the run that gives the results out
      Fanout fanout(*this, node, OutputMode::append);
      counts.add(plan.run(part_run(plan), fanout));
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
  const std::lock_guard guard(node.running);
  node.counts.given += rows->rows() * read.scans;
  dataset.plan->give(read.name, std::move(rows));
  Fanout fanout(*this, reader, OutputMode::append);
  node.counts.add(dataset.plan->run(part_run(*dataset.plan), fanout));
}

std::vector<DatasetCounts> BatchRun::dataset_counts() const {
  std::vector<DatasetCounts> out;
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (!nodes_[i]->needed) {
      continue;
    }
    out.push_back(nodes_[i]->counts);
    const auto state = graph_.datasets[i].plan->state_stats();
    out.back().state_rows = state.rows;
    out.back().state_changed = state.changed;
    out.back().state_bytes = state.bytes;
    out.back().windows = state.windows;
    out.back().oldest = state.oldest;
  }
  return out;
}

std::vector<BatchRun::Watermark> BatchRun::watermarks() const {
  std::vector<Watermark> out;
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (const auto& clock = nodes_[i]->clock; clock && nodes_[i]->needed) {
      const auto us = clock->watermark_us();
      out.push_back({graph_.datasets[i].name, us == kNoBound ? std::nullopt : std::optional(us),
                     clock->slowest(), clock->bound() == kIdle});
    }
  }
  return out;
}

Json BatchRun::save_event_time() const {
  Json watermarks = Json::object();
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (nodes_[i]->clock) {
      watermarks[graph_.datasets[i].name] = nodes_[i]->clock->save();
    }
  }
  return {{"time_us", last_time_us_}, {"watermarks", std::move(watermarks)}};
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
  const auto watermarks = saved.value("watermarks", Json::object());
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    if (nodes_[i]->clock && watermarks.contains(graph_.datasets[i].name)) {
      nodes_[i]->clock->load(watermarks.at(graph_.datasets[i].name));
    }
  }
}
}  // namespace millrace
