#include <fmt/format.h>

#include "base/strings.h"
#include "engine/checked_rows.h"
#include "engine/graph.h"
#include "spec/tables.h"

namespace millrace {
namespace {

/// What gives a dataset's rows to readers: the last of those that check them, if there are any.
const DatasetNode* given_by(const Graph& graph, const DatasetNode& node) {
  return node.passed < 0 ? &node : &graph.datasets[static_cast<std::size_t>(node.passed)];
}

std::string checks_text(const Graph& graph, const DatasetNode& node) {
  std::string out;
  if (const auto* checks = node.passed < 0 ? nullptr : graph.spec->checks_of(node.name)) {
    for (const auto& check : checks->checks) {
      out += fmt::format("  check:   {}: {}{}, otherwise {}\n", check.name, text_of(check),
                         check.max_share
                             ? fmt::format(", but for {:.3g} % of the rows", *check.max_share * 100)
                             : "",
                         enum_word(check.otherwise));
    }
  }
  return out;
}

std::string inputs_text(const Graph& graph, const DatasetNode& node) {
  std::vector<std::string> names;
  for (const auto& input : node.inputs) {
    const auto i = static_cast<std::size_t>(input.index);
    names.push_back(input.kind == Producer::Kind::source ? graph.sources[i].spec->name
                                                         : graph.name_of(graph.datasets[i]));
  }
  for (const auto& name : node.plan->lookups()) {
    names.push_back(name + " (looked up)");
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string takers_text(const Graph& graph, const DatasetNode& dataset) {
  const auto& node = *given_by(graph, dataset);
  std::vector<std::string> names;
  names.reserve(node.readers.size() + node.sinks.size() + node.late_sinks.size());
  for (int i : node.readers) {
    names.push_back(graph.name_of(graph.datasets[static_cast<std::size_t>(i)]));
  }
  for (int i : node.sinks) {
    const auto& sink = graph.sinks[static_cast<std::size_t>(i)];
    names.push_back((sink.live ? "" : "sink ") + sink.spec->name);
  }
  for (int i : dataset.late_sinks) {
    names.push_back("sink " + graph.sinks[static_cast<std::size_t>(i)].spec->name + " (late rows)");
  }
  return names.empty() ? "nobody" : fmt::format("{}", fmt::join(names, ", "));
}

/// The state that a dataset's result depends on: its own and that of all it reads.
void collect_state(const Graph& graph, int dataset, std::vector<std::string>& into) {
  if (dataset < 0) {
    return;
  }
  const auto& node = graph.datasets[static_cast<std::size_t>(dataset)];
  if (node.plan->has_state()) {
    into.push_back(fmt::format("{}: {}", node.name, node.plan->state_text()));
  }
  for (const auto& input : node.inputs) {
    if (input.kind == Producer::Kind::dataset) {
      collect_state(graph, input.index, into);
    }
  }
}

}  // namespace

std::string explain(const Graph& graph, bool plans) {
  std::string out = fmt::format("pipeline {}\n", graph.spec->name);
  for (const auto& node : graph.sources) {
    out +=
        fmt::format("\nsource {} ({}, {})\n  columns: {}\n", node.spec->name, node.spec->connector,
                    node.lookup        ? "looked up by " + node.lookup->key_text()
                    : node.spec->table ? "table"
                                       : "stream",
                    node.source->schema().text());
  }
  for (const auto& node : graph.datasets) {
    if (node.checked >= 0) {
      continue;
    }
    if (node.spec == nullptr) {
      out += fmt::format("\nread once: {} -> {}\n{}", node.name, takers_text(graph, node),
                         checks_text(graph, node));
      continue;
    }
    out +=
        fmt::format("\ndataset {} ({})\n  reads:   {}\n  read by: {}\n  columns: {}\n", node.name,
                    node.plan->shape() == sql::Shape::table ? "table" : "stream",
                    inputs_text(graph, node), takers_text(graph, node), node.plan->schema().text());
    out += checks_text(graph, node);
    if (node.plan->has_state()) {
      out += fmt::format("  state:   {}\n", node.plan->state_text());
    }
    if (plans) {
      out += "  plan:\n";
      const auto plan = node.plan->explain();  // the lines are views of it
      for (const auto& line : split(plan, '\n')) {
        out += fmt::format("    {}\n", line);
      }
    }
  }
  for (const auto& node : graph.sinks) {
    if (node.live) {
      continue;
    }
    std::vector<std::string> state;
    collect_state(graph, node.dataset, state);
    out += fmt::format(
        "\nsink {} ({})\n  writes:    {}\n  mode:      {}\n", node.spec->name, node.spec->connector,
        node.spec->quarantine ? std::string("all that is put aside")
                              : (node.late() ? "rows too late for " : "") + node.spec->from,
        name_of(node.mode));
    if (node.late() || node.spec->quarantine) {
      out += fmt::format("  columns:   {}\n", graph.schema_of(node).text());
    }
    if (node.replaces_parts()) {
      out += fmt::format("  replaces:  what has changed, by {}\n",
                         fmt::join(node.sink->traits().replaced_by, ", "));
    }
    if (node.mode == OutputMode::update) {
      out += fmt::format("  key:       {}\n", node.key.empty()
                                                  ? "none: one row"
                                                  : fmt::format("{}", fmt::join(node.key, ", ")));
    }
    out += fmt::format("  guarantee: {}\n  state:     {}\n", node.sink->traits().guarantee,
                       state.empty() ? "none" : fmt::format("{}", fmt::join(state, "; ")));
  }
  return out;
}

}  // namespace millrace
