// Fewer nodes of a large batch: those that were asked for, or the sums of groups.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/strings.h"
#include "control/batch_json.h"

namespace millrace::control {
namespace {

using Names = std::map<std::string, std::string>;
using Wanted = std::set<std::string, std::less<>>;

Wanted names_in(std::string_view list) {
  Wanted wanted;
  for (const auto id : split(list, ',')) {
    wanted.emplace(trim(id));
  }
  return wanted;
}

/// Whom each node goes by: its group, or itself if that is open.
Names groups_of(const Json& graph, const Wanted& open) {
  Names names;
  for (const auto& node : graph.at("nodes")) {
    const auto id = node.at("id").get<std::string>();
    const auto group = node.value("group", "");
    names[id] = group.empty() || open.contains(group) ? id : group_id(group);
  }
  return names;
}

std::string named(const Names& names, const Json& id) {
  const auto& text = id.get_ref<const std::string&>();
  const auto found = names.find(text);
  return found == names.end() ? text : found->second;
}

/// Adds numbers that mean amounts; what one of the two does not know, the sum does not either.
void add_amounts(Json& to, const Json& more, const std::set<std::string>& but) {
  for (const auto& [key, value] : more.items()) {
    if (but.contains(key)) {
      continue;
    }
    const auto [place, is_new] = to.emplace(key, value);
    auto& sum = *place;
    if (is_new) {
      continue;
    }
    if (sum.is_number_integer() && value.is_number_integer()) {
      sum = sum.get<std::int64_t>() + value.get<std::int64_t>();
    } else if (sum.is_number() && value.is_number()) {
      sum = sum.get<double>() + value.get<double>();
    } else if (value.is_null()) {
      sum = nullptr;
    }
  }
}

/// Puts together what has the same key. `start`: of which the least counts.
template <class Key>
Json put_together(const Json& all, const std::string& start, const std::set<std::string>& ends,
                  const Key& key_of) {
  std::map<std::string, Json> sums;
  auto but = ends;
  but.insert(start);
  for (auto one : all) {
    const auto key = key_of(one);
    if (key.empty()) {
      continue;
    }
    const auto found = sums.find(key);
    if (found == sums.end()) {
      sums.emplace(key, std::move(one));
      continue;
    }
    add_amounts(found->second, one, but);
    if (one.contains(start) && one[start] < found->second[start]) {
      found->second[start] = one[start];
    }
  }
  Json out = Json::array();
  for (auto& [key, sum] : sums) {
    out.push_back(std::move(sum));
  }
  return out;
}

Json by_groups(Json batch, const Json& graph, const Wanted& open) {
  const auto names = groups_of(graph, open);
  batch["nodes"] =
      put_together(batch["nodes"], "start_ms", {"id", "state_oldest"}, [&](Json& node) {
        node["id"] = named(names, node["id"]);
        return node["id"].get<std::string>();
      });
  batch["edges"] = put_together(batch["edges"], "", {"from", "to"}, [&](Json& edge) {
    edge["from"] = named(names, edge["from"]);
    edge["to"] = named(names, edge["to"]);
    const auto from = edge["from"].get<std::string>();
    const auto to = edge["to"].get<std::string>();
    return from == to ? std::string() : from + "\n" + to;
  });
  batch["spans"] = put_together(batch["spans"], "start", {"lane", "phase"}, [&](Json& span) {
    span["lane"] = named(names, span["lane"]);
    return span["lane"].get<std::string>() + "\n" + span["phase"].get<std::string>();
  });
  return batch;
}

template <class Is>
void keep(Json& all, const Is& wanted) {
  Json kept = Json::array();
  for (auto& one : all) {
    if (wanted(one)) {
      kept.push_back(std::move(one));
    }
  }
  all = std::move(kept);
}

}  // namespace

Json choose_nodes(Json batch, const Json& graph, std::string_view nodes, std::string_view open) {
  if (nodes.empty()) {
    return batch;
  }
  if (nodes == "groups") {
    return by_groups(std::move(batch), graph, names_in(open));
  }
  const auto wanted = names_in(nodes);
  const auto is_wanted = [&](const Json& id) {
    return wanted.contains(id.get_ref<const std::string&>());
  };
  keep(batch["nodes"], [&](const Json& node) { return is_wanted(node["id"]); });
  keep(batch["edges"],
       [&](const Json& edge) { return is_wanted(edge["from"]) || is_wanted(edge["to"]); });
  keep(batch["spans"], [&](const Json& span) { return is_wanted(span["lane"]); });
  return batch;
}

}  // namespace millrace::control
