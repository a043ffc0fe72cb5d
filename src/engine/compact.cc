#include "engine/compact.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "base/strings.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/graph.h"

namespace millrace {
namespace {

/// Where the checkpoint stands, without what is in it.
std::optional<std::int64_t> last_commit(Checkpoint& checkpoint) {
  RecoveryVisitor visitor;
  visitor.positions = [](const auto&) {};
  visitor.state = [](const auto&, const auto&) {};
  visitor.committed = [](const auto&) {};
  return checkpoint.recover(visitor).last_committed;
}

void check_names(const PipelineSpec& spec, const std::vector<std::string>& sinks) {
  std::vector<std::string> known;
  known.reserve(spec.sinks.size());
  for (const auto& sink : spec.sinks) {
    known.push_back(sink.name);
  }
  for (const auto& name : sinks) {
    if (std::ranges::find(known, name) == known.end()) {
      const auto hint = did_you_mean(name, known);
      throw Error(Blame::user,
                  fmt::format("there is no sink {}{}{}", name, hint.empty() ? "" : "; ", hint));
    }
  }
}

}  // namespace

std::vector<SinkCompacted> compact_sinks(const PipelineSpec& spec, const ConnectorList& connectors,
                                         const std::vector<std::string>& sinks,
                                         const CompactOptions& options,
                                         const std::function<void(const std::string&)>& say,
                                         Diagnostics& diagnostics) {
  check_names(spec, sinks);
  sql::Database database({.threads = spec.threads,
                          .memory_limit_bytes = spec.memory_limit_bytes,
                          .temp_directory = spec.checkpoint.path + "/tmp"});
  auto graph = build_graph(spec, connectors, database, diagnostics, options.stop);
  if (!graph) {
    return {};
  }
  if (!exists(spec.checkpoint.path + "/checkpoint.json")) {
    throw Error(Blame::user, fmt::format("pipeline {} has not run yet: there is no checkpoint `{}`",
                                         spec.name, spec.checkpoint.path));
  }
  Checkpoint checkpoint({.path = spec.checkpoint.path, .sync = spec.checkpoint.sync}, spec.name);
  const auto last_committed = last_commit(checkpoint);
  std::vector<SinkCompacted> result;
  for (auto& node : graph->sinks) {
    const bool named = std::ranges::find(sinks, node.spec->name) != sinks.end();
    const bool fits = node.spec->connector == "files" && node.mode == OutputMode::append;
    if (!named && !(sinks.empty() && fits)) {
      continue;
    }
    say(fmt::format("sink {}", node.spec->name));
    node.sink->open(sink_start(*graph, node, checkpoint.id(), last_committed));
    try {
      result.push_back({node.spec->name, node.sink->compact(options, say)});
    } catch (const Error& error) {
      if (named || error.blame() != Blame::user) {
        throw;
      }
      say(error.what());  // of those that nobody named, some can't be compacted
    }
    node.sink->close();
  }
  return result;
}

}  // namespace millrace
