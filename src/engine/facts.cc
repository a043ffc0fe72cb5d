#include "engine/facts.h"

#include <fmt/format.h>

#include <array>

#include "base/crc32c.h"
#include "engine/checked_rows.h"

namespace millrace {
namespace {

/// What says where the rows are. No other option is shown: it might hold a secret.
constexpr std::array<std::string_view, 8> kPlaces = {"path",  "topic",    "topics", "topic_pattern",
                                                     "table", "keyspace", "kind",   "database"};

std::string text_of(const Node& node) {
  if (node.is_scalar()) {
    return node.text;
  }
  std::string text;
  for (const auto& item : node.items) {
    text += (text.empty() ? "" : ", ") + item.text;
  }
  return text;
}

PipelineFacts::End end_of(const std::string& type, const Node& connection, const Node& options) {
  PipelineFacts::End end{.type = type, .where = ""};
  for (const auto key : kPlaces) {
    for (const auto* node : {&connection, &options}) {
      if (const auto* found = node->find(key); found != nullptr && found->text != "") {
        end.where += (end.where.empty() ? "" : ", ") + text_of(*found);
      }
    }
  }
  return end;
}

}  // namespace

std::shared_ptr<const PipelineFacts> facts_of(const Graph& graph, const Json& fingerprints) {
  auto facts = std::make_shared<PipelineFacts>();
  facts->fingerprint = fmt::format("{:08x}", crc32c(fingerprints.dump()));
  for (const auto& source : graph.sources) {
    const auto& spec = *source.spec;
    facts->ends[spec.name] = end_of(spec.connector, spec.connection, spec.options);
  }
  for (const auto& sink : graph.sinks) {
    const auto& spec = *sink.spec;
    facts->ends[spec.name] = end_of(spec.connector, spec.connection, spec.options);
  }
  for (const auto& of : graph.spec->checks) {
    for (const auto& check : of.checks) {
      facts->checks[of.of + "." + check.name] = text_of(check);
    }
  }
  return facts;
}

}  // namespace millrace
