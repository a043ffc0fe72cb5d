#include "engine/graph.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "engine/check_graph.h"
#include "engine/quarantine_sink.h"

namespace millrace {

const Schema& Graph::schema_of(const SinkNode& sink) const {
  if (sink.dataset < 0) {
    return quarantine_columns();
  }
  const auto& plan = *datasets[static_cast<std::size_t>(sink.dataset)].plan;
  return sink.late() ? plan.late_schema() : plan.schema();
}

std::optional<Producer> Graph::find(std::string_view name) const {
  // Datasets first: a dataset that the graph made to read a source once goes by the source's name.
  for (std::size_t i = 0; i < datasets.size(); i++) {
    if (equal_ignoring_case(datasets[i].name, name)) {
      return Producer{Producer::Kind::dataset, static_cast<int>(i)};
    }
  }
  for (std::size_t i = 0; i < sources.size(); i++) {
    if (equal_ignoring_case(sources[i].spec->name, name)) {
      return Producer{Producer::Kind::source, static_cast<int>(i)};
    }
  }
  return std::nullopt;
}

std::optional<Producer> Graph::rows_of(std::string_view name) const {
  for (std::size_t i = 0; i < datasets.size(); i++) {
    if (datasets[i].checked < 0 && equal_ignoring_case(unchecked_name(datasets[i].name), name)) {
      return Producer{Producer::Kind::dataset, static_cast<int>(i)};
    }
  }
  auto producer = find(name);
  if (producer && producer->kind == Producer::Kind::dataset) {
    const auto passed = datasets[static_cast<std::size_t>(producer->index)].passed;
    producer->index = passed >= 0 ? passed : producer->index;
  }
  return producer;
}

const std::string& Graph::name_of(const DatasetNode& dataset) const {
  return dataset.checked >= 0 ? datasets[static_cast<std::size_t>(dataset.checked)].name
                              : dataset.name;
}

SinkStart sink_start(const Graph& graph, const SinkNode& node, const std::string& checkpoint,
                     std::optional<std::int64_t> last_committed) {
  const auto& folder = graph.spec->checkpoint.path;
  const auto& name = node.spec->name;
  return {.schema = graph.schema_of(node),
          .mode = node.mode,
          .key = node.key,
          .delete_column = node.spec->delete_column,
          .last_committed = last_committed,
          .pipeline = graph.spec->name,
          .checkpoint = checkpoint,
          .staging = fmt::format("{}/staging/{}", folder, name),
          .folder = fmt::format("{}/sinks/{}", folder, name)};
}

}  // namespace millrace
