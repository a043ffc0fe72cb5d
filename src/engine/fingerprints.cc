#include "engine/fingerprints.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/crc32c.h"
#include "base/log.h"
#include "engine/checked_rows.h"
#include "engine/kept_columns.h"
#include "engine/rebuild.h"

namespace millrace {
namespace {

/// Whether state is kept of what a dataset gives: its own, or that of a dataset that reads it.
bool feeds_state(const Graph& graph, const DatasetNode& node) {
  if (node.plan->has_state()) {
    return true;
  }
  for (const int reader : node.readers) {
    if (feeds_state(graph, graph.datasets[static_cast<std::size_t>(reader)])) {
      return true;
    }
  }
  return false;
}

/// The SQL without comments and with single spaces, so that a new layout is no change.
std::string normalised(const std::string& sql) {
  std::string out;
  for (std::size_t i = 0; i < sql.size(); i++) {
    const char quote = sql[i];
    if (quote == '\'' || quote == '"') {
      const auto end = std::min(sql.find(quote, i + 1), sql.size() - 1);
      out += sql.substr(i, end - i + 1);
      i = end;
    } else if (sql.compare(i, 2, "--") == 0) {
      i = std::min(sql.find('\n', i), sql.size()) - 1;
    } else if (std::isspace(static_cast<unsigned char>(sql[i])) != 0) {
      out += out.empty() || out.back() == ' ' ? "" : " ";
    } else {
      out += sql[i];
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == ';')) {
    out.pop_back();
  }
  return out;
}

/// The SQL of a dataset, and which of the rows its checks take out.
std::string what_it_gives(const Graph& graph, const DatasetNode& node) {
  auto text = normalised(node.spec->sql.text);
  if (const auto* checks = graph.spec->checks_of(node.name)) {
    for (const auto& check : checks->checks) {
      if (check.otherwise == Otherwise::drop || check.otherwise == Otherwise::quarantine) {
        text += fmt::format("; {}", normalised(text_of(check)));
      }
    }
  }
  return text;
}

/// What is wrong with going on, and what would help.
struct Findings {
  std::vector<std::string> wrong;
  std::set<std::size_t> to_rebuild;
  bool rebuild_helps = true;
};

/// What a change of a dataset comes to: nothing, if all state that was built from it is made anew.
bool is_rebuilt(const Graph& graph, const std::string& name, const std::set<std::size_t>& rebuilt,
                Findings& findings) {
  const auto producer = graph.find(name);
  const auto dataset = static_cast<std::size_t>(producer->index);
  const auto states = states_from(graph, dataset);
  if (states.empty()) {
    findings.rebuild_helps = false;
    return false;
  }
  if (std::ranges::includes(rebuilt, states)) {
    return true;
  }
  findings.to_rebuild.merge(nearest_states(graph, dataset));
  return false;
}

/// What changed between two versions of one part, in words.
void compare(const std::string& kind, const std::string& name, const Json& before, const Json& now,
             const Graph& graph, const std::set<std::size_t>& rebuilt, Findings& findings) {
  const auto differs = [&](const char* what) {
    return before.value(what, Json()) != now.value(what, Json());
  };
  const auto change = [&](const char* what, const std::string& text) {
    if (!differs(what)) {
      return;
    }
    const bool matters =
        kind == "source" ? std::string_view(what) == "type"
                         : before.value("feeds_state", false) || now.value("feeds_state", false);
    if (matters && kind == "dataset" && is_rebuilt(graph, name, rebuilt, findings)) {
      return;
    }
    if (matters) {
      findings.wrong.push_back(fmt::format("{} {}: {}", kind, name, text));
      findings.rebuild_helps = findings.rebuild_helps && kind == "dataset";
    } else {
      Log().warn("{} {} changed since the checkpoint: {}; it takes effect from the next batch on",
                 kind, name, text);
    }
  };
  change("type", "its connector is another one, so its position means nothing");
  change("sql", now.value("feeds_state", false)
                    ? "its SQL changed, and state was built from what it gave before"
                    : "its SQL changed");
  change("state", "its aggregates or keys changed, so the state that was kept does not fit");
  change("mode", "its mode changed");
  change("from", "it writes another dataset");
}

// Parts that only one of checkpoint and pipeline has.

void note_gone(const std::string& name, const Json& part) {
  if (part.value("feeds_state", false) && !part.value("state", "").empty()) {
    Log().warn("dataset {} is gone since the checkpoint; its state is dropped", name);
  }
}

void note_new(const std::string& kind, const std::string& name, const Json& part,
              const Graph& graph, const std::set<std::size_t>& rebuilt) {
  const bool has_state = kind == "dataset" && !part.value("state", "").empty();
  if (!has_state) {
    Log().warn("{} {} is new since the checkpoint: it begins with the next batch", kind, name);
  } else if (!rebuilt.contains(static_cast<std::size_t>(graph.find(name)->index))) {
    Log().warn(
        "dataset {} is new since the checkpoint: it begins with the next batch; with "
        "`--rebuild {}` it would begin with the input so far",
        name, name);
  }
}

[[noreturn]] void refuse(const Findings& findings, const Graph& graph,
                         const std::string& checkpoint) {
  std::string way_out;
  if (findings.rebuild_helps) {
    if (const auto why = why_no_rebuild(graph, findings.to_rebuild)) {
      way_out = fmt::format("(`--rebuild` can't help: {})\n", *why);
    } else {
      way_out = "run it with";
      for (const auto dataset : findings.to_rebuild) {
        way_out += fmt::format(" `--rebuild {}`", graph.datasets[dataset].name);
      }
      way_out += " to make this state anew from the input so far; or ";
    }
  }
  throw Error(
      Blame::user,
      fmt::format("the pipeline changed since its checkpoint `{}`:\n  {}\n{}remove that folder "
                  "and the outputs to start over, or give the changed pipeline another "
                  "`checkpoint: path` or name",
                  checkpoint, fmt::join(findings.wrong, "\n  "), way_out));
}

bool runs(const Graph& graph, const DatasetNode& node) {
  return !node.sinks.empty() || !node.late_sinks.empty() ||
         std::ranges::any_of(node.readers, [&](int reader) {
           return runs(graph, graph.datasets[static_cast<std::size_t>(reader)]);
         });
}

/// The datasets with state that somebody needs, so that they run.
std::set<std::string> running(const Graph& graph) {
  std::set<std::string> names;
  for (const auto& node : graph.datasets) {
    if (node.spec != nullptr && node.plan->has_state() && runs(graph, node)) {
      names.insert(node.name);
    }
  }
  return names;
}

/// Says which datasets run now and did not before, though they were there.
void note_running(const Json& before, const Graph& graph, const std::set<std::size_t>& rebuilt) {
  if (!before.contains("runs")) {  // an older version wrote it
    return;
  }
  const auto ran = before.at("runs").get<std::set<std::string>>();
  const auto known = before.value("dataset", Json::object());
  for (const auto& name : running(graph)) {
    if (known.contains(name) && !ran.contains(name) &&
        !rebuilt.contains(static_cast<std::size_t>(graph.find(name)->index))) {
      Log().warn(
          "dataset {} was not needed before, so what came until now is not in it; with "
          "`--rebuild {}` it would be",
          name, name);
    }
  }
}

}  // namespace

Json fingerprints(const Graph& graph) {
  Json out = {{"source", Json::object()}, {"dataset", Json::object()}, {"sink", Json::object()}};
  out["runs"] = running(graph);
  for (const auto& node : graph.sources) {
    out["source"][node.spec->name] = {{"type", node.spec->connector},
                                      {"columns", node.source->schema().text()}};
    add_columns(*node.source, out["source"][node.spec->name]);
  }
  for (const auto& node : graph.datasets) {
    if (node.spec != nullptr) {
      out["dataset"][node.name] = {
          {"sql", fmt::format("{:08x}", crc32c(what_it_gives(graph, node)))},
          {"columns", node.plan->schema().text()},
          {"feeds_state", feeds_state(graph, node)},
          {"state", node.plan->has_state() ? node.plan->state_schema() : std::string()},
          {"windows", node.plan->windows_text()}};
    }
  }
  for (const auto& node : graph.sinks) {
    if (node.live) {
      continue;
    }
    out["sink"][node.spec->name] = {{"type", node.spec->connector},
                                    {"from", (node.late() ? "late " : "") + node.spec->from},
                                    {"mode", std::string(name_of(node.mode))}};
  }
  return out;
}

void check_fingerprints(const Json& before, const Json& now, const Graph& graph,
                        const std::string& checkpoint, const std::set<std::size_t>& rebuilt) {
  if (before.is_null()) {
    return;
  }
  Findings findings;
  for (const auto* kind : {"source", "dataset", "sink"}) {
    const auto& parts_now = now.at(kind);
    const auto parts_before = before.value(kind, Json::object());
    for (const auto& [name, part] : parts_before.items()) {
      if (parts_now.contains(name)) {
        compare(kind, name, part, parts_now.at(name), graph, rebuilt, findings);
      } else {
        note_gone(name, part);
      }
    }
    for (const auto& [name, part] : parts_now.items()) {
      if (!parts_before.contains(name)) {
        note_new(kind, name, part, graph, rebuilt);
      }
    }
  }
  note_running(before, graph, rebuilt);
  if (!findings.wrong.empty()) {
    refuse(findings, graph, checkpoint);
  }
}

}  // namespace millrace
