#include "engine/node_figures.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace millrace {
namespace {

/// A count that may be negative, as it is a difference, goes to the side where it is positive.
void add_net(std::int64_t rows, std::int64_t& if_more, std::int64_t& if_fewer) {
  (rows >= 0 ? if_more : if_fewer) += std::abs(rows);
}

/// Adds a piece of work to that of a node.
void add_span(Span& to, const Span& more) {
  if (more.us > 0) {
    to.start_us = to.us == 0 ? more.start_us : std::min(to.start_us, more.start_us);
    to.us += more.us;
  }
}

std::int64_t bytes_of(std::int64_t rows, double row_bytes) {
  if (rows == 0) {
    return 0;
  }
  return row_bytes < 0 ? -1 : static_cast<std::int64_t>(static_cast<double>(rows) * row_bytes);
}

void add_state(NodeFigures& to, const DatasetCounts& d) {
  to.state_rows += d.state_rows;
  to.state_bytes += d.state_bytes;
  to.state_changed += d.state_changed;
  to.state_evicted += d.state_evicted;
  to.state_disk_bytes += std::max<std::int64_t>(d.state_disk_bytes, 0);
  if (d.oldest_us) {
    to.state_oldest_us = std::min(to.state_oldest_us.value_or(*d.oldest_us), *d.oldest_us);
  }
}

NodeFigures of_dataset(const DatasetCounts& d) {
  NodeFigures node{.id = d.name,
                   .kind = d.of_source ? NodeFigures::Kind::source : NodeFigures::Kind::dataset,
                   .in = d.in,
                   .out = d.out,
                   .emitted = d.emitted,
                   .absorbed = d.absorbed,
                   .filtered = d.filtered + d.removed - d.put_aside,
                   .late = d.late.rows,
                   .duplicate = d.duplicates,
                   .quarantined = d.put_aside,
                   .bytes = bytes_of(d.out, d.row_bytes)};
  add_state(node, d);
  add_net(d.expanded, node.emitted, node.filtered);
  add_net(d.cut, node.filtered, node.emitted);
  if (d.of_source) {
    node.in += d.malformed;
    node.quarantined += d.malformed;
  }
  add_span(node.span, d.fed);
  add_span(node.span, d.run);
  return node;
}

/// A source whose rows go straight into the plan of its one reader, or are looked up.
NodeFigures of_source(const SourceProgress& s) {
  const auto lost = s.malformed_rows - s.corrupt_rows;
  return {.id = s.name,
          .kind = NodeFigures::Kind::source,
          .in = s.rows,
          .out = s.rows - lost,
          .quarantined = lost,
          .bytes = s.bytes > 0 ? s.bytes : -1};
}

NodeFigures of_sink(const SinkCounts& s) {
  NodeFigures node{.id = sink_id(s.name),
                   .kind = NodeFigures::Kind::sink,
                   .in = s.given,
                   .out = s.written,
                   .absorbed = s.kept,
                   .quarantined = s.refused,
                   .bytes = s.bytes};
  for (const auto& span : {s.write, s.stage, s.publish}) {
    add_span(node.span, span);
  }
  return node;
}

}  // namespace

std::vector<NodeFigures> node_figures(const BatchProgress& batch) {
  std::vector<NodeFigures> nodes;
  nodes.reserve(batch.sources.size() + batch.datasets.size() + batch.sinks.size());
  std::map<std::string_view, std::size_t> places;
  for (const auto& source : batch.sources) {
    places[source.name] = nodes.size();
    nodes.push_back(of_source(source));
  }
  for (const auto& d : batch.datasets) {
    if (d.for_checks) {
      continue;
    }
    auto node = of_dataset(d);
    if (d.of_source) {
      nodes[places.at(d.name)] = std::move(node);
    } else {
      places[d.name] = nodes.size();
      nodes.push_back(std::move(node));
    }
  }
  for (const auto& d : batch.datasets) {
    if (const auto of = places.find(d.checked); d.for_checks && of != places.end()) {
      auto& node = nodes[of->second];
      add_span(node.span, d.fed);
      add_span(node.span, d.run);
      add_state(node, d);
    }
  }
  for (const auto& source : batch.sources) {
    add_span(nodes[places.at(source.name)].span, source.read);
  }
  for (const auto& sink : batch.sinks) {
    nodes.push_back(of_sink(sink));
  }
  return nodes;
}

}  // namespace millrace
