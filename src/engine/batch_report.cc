// What BatchRun tells of a batch that it has run.
#include <algorithm>

#include "engine/batch_run.h"
#include "engine/fanout.h"

namespace millrace {
namespace {

/// Adds rows to an edge. Those of datasets that were made for checks are of the same two ends.
void add_edge(std::vector<EdgeProgress>& edges, bool may_be_there, EdgeProgress edge) {
  if (may_be_there) {
    const auto found = std::ranges::find_if(
        edges, [&](const auto& e) { return e.from == edge.from && e.to == edge.to; });
    if (found != edges.end()) {
      found->rows += edge.rows;
      return;
    }
  }
  edges.push_back(std::move(edge));
}

}  // namespace

/// What a dataset gives out is what its checks let pass.
void BatchRun::count_checked(std::size_t dataset, DatasetCounts& counts) const {
  bool counted = false;
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    const auto& node = *nodes_[i];
    if (std::cmp_equal(graph_.datasets[i].checked, dataset) && node.checks) {
      counted = true;
      counts.removed += node.removed;
      counts.put_aside += node.counts.put_aside;
      counts.checks.insert(counts.checks.end(), node.counts.checks.begin(),
                           node.counts.checks.end());
    }
  }
  if (counted) {
    counts.out = nodes_[static_cast<std::size_t>(graph_.datasets[dataset].passed)]->counts.out;
  }
}

std::vector<DatasetCounts> BatchRun::dataset_counts() const {
  std::vector<DatasetCounts> out;
  out.reserve(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    const auto& node = *nodes_[i];
    if (!node.needed) {
      continue;
    }
    auto& counts = out.emplace_back(node.counts);
    counts.fed = shares_.dataset(i);
    if (node.sampled_rows > 0) {
      counts.row_bytes =
          static_cast<double>(node.sampled_bytes) / static_cast<double>(node.sampled_rows);
    }
    const auto state = graph_.datasets[i].plan->state_stats();
    counts.state_rows = state.rows;
    counts.state_changed = state.changed;
    counts.state_bytes = state.bytes;
    counts.windows = state.windows;
    counts.oldest = state.oldest;
    counts.oldest_us = state.oldest_us;
    counts.state_evicted = state.evicted;
    if (graph_.datasets[i].passed >= 0) {
      count_checked(i, counts);
    }
  }
  return out;
}

std::vector<EdgeProgress> BatchRun::edges() const {
  std::vector<EdgeProgress> edges;
  edges.reserve(nodes_.size() + graph_.sinks.size());
  const auto bytes_of = [&](std::size_t dataset, std::int64_t rows) -> std::int64_t {
    const auto& node = *nodes_[dataset];
    if (rows > 0 && node.sampled_rows == 0) {
      return -1;  // a table that was kept from an earlier batch
    }
    return rows == 0 ? 0 : rows * node.sampled_bytes / node.sampled_rows;
  };
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    const auto& dataset = graph_.datasets[i];
    const auto& to = graph_.name_of(dataset);
    for (std::size_t k = 0; k < dataset.inputs.size() && nodes_[i]->needed; k++) {
      const auto from = static_cast<std::size_t>(dataset.inputs[k].index);
      const bool is_source = dataset.inputs[k].kind == Producer::Kind::source;
      const auto& name =
          is_source ? graph_.sources[from].spec->name : graph_.name_of(graph_.datasets[from]);
      if (name != to) {
        const auto rows = nodes_[i]->input_rows[k];
        add_edge(edges, dataset.checked >= 0,
                 {name, to, rows, is_source ? -1 : bytes_of(from, rows)});
      }
    }
  }
  for (std::size_t i = 0; i < graph_.sinks.size(); i++) {
    const auto& sink = graph_.sinks[i];
    if (sink.dataset >= 0 && !sink.live) {
      const auto from = static_cast<std::size_t>(sink.dataset);
      edges.push_back({graph_.name_of(graph_.datasets[from]), sink_id(sink.spec->name),
                       given_to_sink_[i], sink.late() ? -1 : bytes_of(from, given_to_sink_[i])});
    }
  }
  return edges;
}

SourceProgress BatchRun::read_from(std::size_t source) const {
  SourceProgress progress;
  const auto by = graph_.sources[source].scanned_by;
  if (by < 0 || graph_.sources[source].spec->table) {
    return progress;
  }
  const auto& node = *nodes_[static_cast<std::size_t>(by)];
  const auto& inputs = graph_.datasets[static_cast<std::size_t>(by)].inputs;
  for (std::size_t k = 0; k < inputs.size(); k++) {
    if (inputs[k].kind == Producer::Kind::source && std::cmp_equal(inputs[k].index, source)) {
      progress.rows += node.input_rows[k];
    }
  }
  for (const auto& reading : node.readings) {
    if (reading.source == source) {
      progress.malformed_rows = reading.malformed->count();
      progress.corrupt_rows = reading.malformed->passed();
      progress.rows += progress.malformed_rows - progress.corrupt_rows;
      progress.read = reading.read;
    }
  }
  return progress;
}

std::int64_t BatchRun::malformed_found(const std::string& source) const {
  const auto found = malformed_found_.find(source);
  return found == malformed_found_.end() ? 0 : found->second->count();
}

std::string BatchRun::working_on() const {
  if (!running_) {
    return "";
  }
  const auto& dataset = graph_.datasets[*running_];
  const auto& name = graph_.name_of(dataset);
  const bool is_source = std::ranges::any_of(
      graph_.sources, [&](const auto& source) { return source.spec->name == name; });
  return (is_source ? "source " : "dataset ") + name;
}

std::vector<WatermarkProgress> BatchRun::watermarks() const {
  std::vector<WatermarkProgress> out;
  for (std::size_t i = 0; i < nodes_.size(); i++) {
    const auto& clock = nodes_[i]->clock;
    if (!clock || !nodes_[i]->needed) {
      continue;
    }
    auto& mark = out.emplace_back();
    const auto us = clock->watermark_us();
    mark.name = graph_.name_of(graph_.datasets[i]);
    mark.us = us == kNoBound ? std::nullopt : std::optional(us);
    mark.partition = clock->slowest();
    mark.idle = clock->bound() == kIdle;
    mark.delay_us = clock->delay_us();
    for (const auto& [name, partition] : clock->partitions()) {
      mark.newest_us = std::max(mark.newest_us.value_or(kNoBound), partition.newest_us);
      if (mark.partitions.size() < WatermarkProgress::kPartitionsMax || name == mark.partition) {
        mark.partitions.push_back({name, partition.newest_us, partition.active_us});
      }
    }
  }
  return out;
}

}  // namespace millrace
