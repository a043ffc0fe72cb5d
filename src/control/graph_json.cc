#include "control/graph_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/facts.h"

namespace millrace::control {
namespace {

/// How operators of DuckDB and our own are called by people, by what their names contain.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kWords = {{
    {"FILTER", "filter"},
    {"LOOKUP_JOIN", "look-up"},
    {"LOOK_UP", "look-up"},
    {"JOIN", "join"},
    {"CROSS_PRODUCT", "join"},
    {"DEDUPLICATE", "deduplication"},
    {"SESSION", "sessions"},
    {"STATEFUL_AGGREGATE", "grouped aggregation"},
    {"AGGREGATE", "aggregation"},
    {"DISTINCT", "distinct"},
    {"UNNEST", "unnest"},
    {"UNION", "union"},
    {"TOP_N", "top rows"},
    {"ORDER", "sort"},
    {"LIMIT", "limit"},
    {"WINDOW", "window functions"},
}};

/// The operators' names: the first line of each box that the plan is drawn with.
std::vector<std::string> operators_of(std::string_view plan) {
  std::vector<std::string> names;
  bool first = false;
  for (const auto line : split(plan, '\n')) {
    if (line.find("┌") != std::string_view::npos) {
      first = true;
      continue;
    }
    if (!std::exchange(first, false)) {
      continue;
    }
    std::string name;
    for (const char c : line) {
      if ((c >= 'A' && c <= 'Z') || c == '_') {
        name += c;
      } else if (!name.empty()) {
        names.push_back(std::exchange(name, {}));
      }
    }
  }
  return names;
}

Json columns_json(const Schema& schema) {
  Json out = Json::array();
  for (const auto& column : schema.columns) {
    out.push_back(Json::array({column.name, column.type}));
  }
  return out;
}

Json checks_json(const Graph& graph, const std::string& name) {
  Json out = Json::array();
  if (const auto* checks = graph.spec->checks_of(name)) {
    for (const auto& check : checks->checks) {
      out.push_back(check.name);
    }
  }
  return out;
}

/// What a name begins with: "orders" of "orders_by_day".
std::string_view beginning_of(std::string_view name) {
  return name.substr(0, name.find_first_of("_.-"));
}

/// The folder of a dataset's SQL; of a large graph without folders, what several names begin with.
std::string group_of(const Graph& graph, const DatasetSpec& spec) {
  constexpr std::size_t kLarge = 60;
  const std::filesystem::path file = spec.sql.at.file;
  const std::filesystem::path pipeline = graph.spec->file;
  if (!file.empty() && file != pipeline) {
    const auto folder = file.parent_path().lexically_relative(pipeline.parent_path());
    if (folder != ".") {
      return folder.generic_string();
    }
  }
  const auto beginning = beginning_of(spec.name);
  const auto& all = graph.spec->datasets;
  const auto others = std::ranges::count(
      all, beginning, [](const DatasetSpec& each) { return beginning_of(each.name); });
  return all.size() > kLarge && others > 1 ? std::string(beginning) : "";
}

std::string joined(const std::vector<std::string>& parts) { return millrace::join(parts, ", "); }

Json source_json(const Graph& graph, const SourceNode& node, const PipelineFacts& facts) {
  const auto& spec = *node.spec;
  std::vector<std::string> detail;
  if (const auto& where = facts.ends.at(spec.name).where; !where.empty()) {
    detail.push_back(where);
  }
  detail.emplace_back(node.lookup ? "looked up" : spec.table ? "table" : "stream");
  return {{"id", spec.name},
          {"name", spec.name},
          {"kind", "source"},
          {"op", spec.connector},
          {"detail", joined(detail)},
          {"stateful", false},
          {"columns", columns_json(node.source->schema())},
          {"checks", checks_json(graph, spec.name)},
          {"table", spec.table}};
}

/// For how long a row of state is kept: a time, "watermark" (until that has passed it), "none"
/// (for ever), or "one row" of what cannot grow.
std::string kept_for(const DatasetNode& node) {
  const auto& plan = *node.plan;
  if (node.spec->state_ttl) {
    return human_duration(*node.spec->state_ttl);
  }
  return plan.forgets() ? "watermark" : plan.state_keys().empty() ? "one row" : "none";
}

Json dataset_json(const Graph& graph, const DatasetNode& node) {
  const auto& plan = *node.plan;
  const auto state = plan.has_state() ? plan.state_text() : "";
  const auto explained = plan.explain();
  Json out = {{"id", node.name},
              {"name", node.name},
              {"kind", "dataset"},
              {"op", operators_in_words(explained)},
              {"detail", state.empty() ? plan.schema().text() : state},
              {"sql", node.spec->sql.text},
              {"plan", explained},
              {"stateful", plan.has_state()},
              {"columns", columns_json(plan.schema())},
              {"checks", checks_json(graph, node.name)},
              {"table", plan.shape() == sql::Shape::table}};
  if (plan.has_state()) {
    out["keys"] = plan.state_keys();
    out["ttl"] = kept_for(node);
  }
  if (auto group = group_of(graph, *node.spec); !group.empty()) {
    out["group"] = std::move(group);
  }
  return out;
}

Json sink_json(const Graph& graph, const SinkNode& node, const PipelineFacts& facts) {
  const auto& spec = *node.spec;
  std::vector<std::string> detail;
  if (const auto& where = facts.ends.at(spec.name).where; !where.empty()) {
    detail.push_back(where);
  }
  detail.push_back(spec.quarantine ? "what is put aside"
                   : node.late()   ? "late rows"
                                   : std::string(name_of(node.mode)));
  detail.push_back(node.sink->traits().guarantee);
  return {{"id", sink_id(spec.name)},
          {"name", spec.name},
          {"kind", "sink"},
          {"op", node.live ? "kept readable" : spec.connector},
          {"detail", joined(detail)},
          {"stateful", false},
          {"columns", columns_json(graph.schema_of(node))},
          {"checks", Json::array()},
          {"table", false}};
}

using Edges = std::vector<std::pair<std::string, std::string>>;

Edges edges_of(const Graph& graph) {
  Edges edges;
  std::set<std::pair<std::string, std::string>> seen;
  const auto add = [&](const std::string& from, const std::string& to) {
    if (from != to && seen.emplace(from, to).second) {
      edges.emplace_back(from, to);
    }
  };
  for (const auto& dataset : graph.datasets) {
    const auto& to = graph.name_of(dataset);
    for (const auto& input : dataset.inputs) {
      const auto from = static_cast<std::size_t>(input.index);
      add(input.kind == Producer::Kind::source ? graph.sources[from].spec->name
                                               : graph.name_of(graph.datasets[from]),
          to);
    }
    for (const auto& name : dataset.plan->lookups()) {
      add(name, to);
    }
  }
  for (const auto& sink : graph.sinks) {
    if (sink.dataset >= 0) {
      add(graph.name_of(graph.datasets[static_cast<std::size_t>(sink.dataset)]),
          sink_id(sink.spec->name));
    }
  }
  return edges;
}

}  // namespace

std::string operators_in_words(std::string_view plan) {
  std::vector<std::string> words;
  const auto add = [&](std::string_view word) {
    if (std::ranges::find(words, word) == words.end()) {
      words.emplace_back(word);
    }
  };
  bool maps = false;
  auto names = operators_of(plan);
  std::ranges::reverse(names);  // a plan is drawn from its result down
  for (const auto& name : names) {
    maps = maps || name == "PROJECTION";
    const auto found = std::ranges::find_if(
        kWords, [&](const auto& word) { return name.find(word.first) != std::string::npos; });
    if (found != kWords.end()) {
      add(found->second);
    }
  }
  const bool only_filters = std::ranges::all_of(words, [](const auto& w) { return w == "filter"; });
  if (words.empty() || (maps && only_filters)) {
    add("map");
  }
  return joined(words);
}

Json graph_json(const Graph& graph) {
  const auto facts = facts_of(graph, Json());
  Json nodes = Json::array();
  for (const auto& source : graph.sources) {
    nodes.push_back(source_json(graph, source, *facts));
  }
  for (const auto& dataset : graph.datasets) {
    if (dataset.spec != nullptr) {
      nodes.push_back(dataset_json(graph, dataset));
    }
  }
  for (const auto& sink : graph.sinks) {
    nodes.push_back(sink_json(graph, sink, *facts));
  }
  Json edges = Json::array();
  for (auto& [from, to] : edges_of(graph)) {
    edges.push_back({{"from", std::move(from)}, {"to", std::move(to)}});
  }
  return {{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

}  // namespace millrace::control
