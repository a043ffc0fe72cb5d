#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "spec/loader.h"
#include "spec/tables.h"

namespace millrace {
namespace {

std::vector<std::string> types_of(const ConnectorList& connectors) {
  std::vector<std::string> types;
  for (const auto& connector : connectors) {
    types.emplace_back(connector->type());
  }
  return types;
}

}  // namespace

SplitNode split_mapping(const Node& mapping, const std::vector<std::string>& keys) {
  SplitNode parts;
  for (Node* part : {&parts.own, &parts.rest}) {
    part->kind = Node::Kind::mapping;
    part->at = mapping.at;
  }
  for (const Node::Entry& entry : mapping.entries) {
    const bool own = std::ranges::find(keys, entry.key) != keys.end();
    (own ? parts.own : parts.rest).entries.push_back(entry);
  }
  return parts;
}

void remove_unknown_options(Node& options, const OptionSet* known,
                            const std::vector<std::string>& own, const OptionSet* connection,
                            const std::string& what, Diagnostics& diagnostics) {
  const std::vector<std::string> names = known != nullptr ? known->names() : own;
  std::vector<std::string> all = names;
  all.insert(all.end(), own.begin(), own.end());
  std::erase_if(options.entries, [&](const Node::Entry& entry) {
    if (known != nullptr && std::ranges::find(names, entry.key) != names.end()) {
      return false;
    }
    std::string hint = did_you_mean(entry.key, all);
    if (known == nullptr || names.empty()) {
      hint = suggest(entry.key, all) ? hint : "it takes no options of its own";
    }
    if (connection != nullptr) {
      const auto of_connection = connection->names();
      if (std::ranges::find(of_connection, entry.key) != of_connection.end()) {
        hint = "it is an option of the connection";
      }
    }
    diagnostics.error(entry.at, fmt::format("{} has no option `{}`", what, entry.key), hint);
    return true;
  });
}

void Connections::read(const Node& section) {
  for (const Node::Entry& entry : section.entries) {
    Named named;
    named.name = entry.key;
    named.at = entry.at;
    if (entry.key.empty()) {
      diagnostics_.error(entry.at, "a connection needs a name");
    }
    const std::string what = fmt::format("connection `{}`", entry.key);
    if (entry.value.is_scalar()) {
      diagnostics_.error(entry.value.at, fmt::format("{} must be a mapping", what),
                         fmt::format("write `{}: {{ type: {} }}`", entry.key, entry.value.text));
    } else {
      Node mapping = entry.value;
      mapping.at = entry.value.is_mapping() ? entry.value.at : entry.at;
      named.endpoint = read_mapping(mapping, what);
    }
    named_.push_back(std::move(named));
  }
}

std::optional<Endpoint> Connections::read_mapping(const Node& mapping, const std::string& what) {
  const std::vector<std::string> own = {"type"};
  SplitNode parts = split_mapping(mapping, own);
  ConnectionOptions options;
  if (!mapping.is_mapping() && !mapping.is_null()) {
    (void)connection_table().parse(mapping, diagnostics_, options, what);
    return std::nullopt;
  }
  if (!connection_table().parse(parts.own, diagnostics_, options, what)) {
    return std::nullopt;
  }
  const Connector* connector = find_connector(connectors_, options.type);
  if (connector == nullptr) {
    diagnostics_.error(parts.own.find("type")->at,
                       fmt::format("{} has an unknown type `{}`", what, options.type),
                       did_you_mean(options.type, types_of(connectors_)));
    return std::nullopt;
  }
  remove_unknown_options(parts.rest, connector->connection_options(), own, nullptr,
                         fmt::format("connection {}", connector->type()), diagnostics_);
  return Endpoint{connector, std::move(parts.rest)};
}

std::optional<Endpoint> Connections::resolve(const Node& value, std::string_view key,
                                             const std::string& owner) {
  if (value.is_mapping()) {
    return read_mapping(value, fmt::format("`{}` of {}", key, owner));
  }
  if (!value.is_scalar()) {
    diagnostics_.error(value.at,
                       fmt::format("`{}` of {} must be the name of a connection, a mapping with a "
                                   "`type`, or a kind of system",
                                   key, owner));
    return std::nullopt;
  }
  const auto named = std::ranges::find(named_, value.text, &Named::name);
  if (named != named_.end()) {
    named->used = true;
    return named->endpoint;
  }
  if (const Connector* connector = find_connector(connectors_, value.text)) {
    Node none;
    none.kind = Node::Kind::mapping;
    none.at = value.at;
    return Endpoint{connector, std::move(none)};
  }
  std::vector<std::string> candidates = types_of(connectors_);
  for (const Named& each : named_) {
    candidates.push_back(each.name);
  }
  diagnostics_.error(value.at,
                     fmt::format("`{}` of {} names `{}`, which is neither a connection nor a kind "
                                 "of system",
                                 key, owner, value.text),
                     did_you_mean(value.text, candidates));
  return std::nullopt;
}

void Connections::report_unused() const {
  for (const Named& named : named_) {
    if (!named.used) {
      diagnostics_.warning(named.at, fmt::format("connection `{}` is never used", named.name));
    }
  }
}

}  // namespace millrace
