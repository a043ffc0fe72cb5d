// How a session finds the nodes of its cluster.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/protocol/row_cells.h"
#include "connectors/cassandra/protocol/session.h"

namespace millrace::cassandra {

namespace {

/// What the cluster says of one of its nodes.
struct NodeInfo {
  std::string datacenter;
  Endpoint endpoint;
  std::vector<std::int64_t> tokens;
};

std::vector<std::int64_t> tokens_of(std::optional<std::string_view> cell) {
  std::vector<std::int64_t> tokens;
  if (!cell) {
    return tokens;
  }
  WireReader reader(*cell);
  for (auto count = reader.count(4); count > 0; --count) {
    if (const auto token = parse_integer(reader.bytes().value_or(""))) {
      tokens.push_back(*token);
    }
  }
  return tokens;
}

std::string address_of(std::optional<std::string_view> cell) {
  const auto bytes = cell.value_or("");
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (bytes.size() != 4 && bytes.size() != 16) {
    return "";
  }
  ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

std::int32_t number_of(std::optional<std::string_view> cell, std::int32_t otherwise) {
  return cell && cell->size() == 4 ? load_big_endian<std::int32_t>(cell->data()) : otherwise;
}

/// Where clients reach a peer; empty: it does not say.
std::string host_of(const RowCells& cells) {
  for (const char* column : {"native_address", "rpc_address"}) {
    if (auto host = address_of(cells[column]); !host.empty() && host != "0.0.0.0") {
      return host;
    }
  }
  return address_of(cells["peer"]);
}

}  // namespace

/// Asks the contact point for the others, and keeps its connection.
void Session::learn_topology(std::unique_ptr<Connection> connection) {
  nodes_.clear();
  ring_ = {};
  has_ranges_ = false;
  auto tokens = learn_nodes(*connection);
  for (auto& node : nodes_) {
    node.links.resize(options_.connections_per_host);
  }
  const auto contact = std::ranges::find(nodes_, connection->endpoint(), &Node::endpoint);
  if (contact != nodes_.end()) {
    contact->links.front().connection = std::move(connection);
  }
  if (has_ranges_ && options_.uses_peers) {
    ring_ = TokenRing(std::move(tokens));
  }
  log_.debug("{} nodes, protocol version {}", nodes_.size(), version_);
}

std::vector<std::pair<std::int64_t, std::size_t>> Session::learn_nodes(Connection& connection) {
  const auto rows_of = [&](const char* text) -> std::optional<std::string> {
    auto answer = ask(connection, Opcode::query,
                      query_body(version_, text, {.consistency = Consistency::one}));
    return answer.opcode == Opcode::error ? std::nullopt : std::optional(std::move(answer.body));
  };
  std::vector<NodeInfo> found;
  const auto add = [&](const std::string& body, bool is_contact) {
    const auto rows = read_rows(body);
    if (!rows) {
      throw BadFrame("rows of system tables were expected");
    }
    RowCells cells(*rows, body);
    while (cells.next()) {
      if (is_contact) {
        has_ranges_ = cells["partitioner"].value_or("").ends_with("Murmur3Partitioner");
      }
      const auto port = number_of(cells["native_port"], connection.endpoint().port);
      auto endpoint =
          is_contact ? connection.endpoint()
                     : Endpoint{.host = host_of(cells), .port = static_cast<std::uint16_t>(port)};
      if (!endpoint.host.empty()) {
        found.push_back({.datacenter = std::string(cells["data_center"].value_or("")),
                         .endpoint = std::move(endpoint),
                         .tokens = tokens_of(cells["tokens"])});
      }
    }
  };
  const auto local = rows_of("SELECT * FROM system.local");
  if (!local) {
    throw Error(Blame::external, "system.local can't be read", Retry::yes);
  }
  add(*local, true);
  const auto datacenter = !options_.datacenter.empty() ? options_.datacenter
                          : found.empty()              ? std::string()
                                                       : found.front().datacenter;
  if (!options_.uses_peers) {
    found.clear();
    for (const auto& contact : options_.contact_points) {
      found.push_back({.datacenter = datacenter, .endpoint = contact, .tokens = {}});
    }
  } else if (auto peers = rows_of("SELECT * FROM system.peers_v2")) {
    add(*peers, false);
  } else if (auto older = rows_of("SELECT * FROM system.peers")) {
    add(*older, false);
  }
  std::vector<std::pair<std::int64_t, std::size_t>> tokens;
  std::set<std::string> datacenters;
  for (auto& node : found) {
    datacenters.insert(node.datacenter);
    if (node.datacenter == datacenter) {
      for (const auto token : node.tokens) {
        tokens.emplace_back(token, nodes_.size());
      }
      nodes_.push_back({.endpoint = std::move(node.endpoint)});
    }
  }
  if (nodes_.empty()) {
    throw Error(Blame::user,
                fmt::format("no node is in data center `{}`; those of this cluster: {}", datacenter,
                            join({datacenters.begin(), datacenters.end()}, ", ")));
  }
  return tokens;
}

}  // namespace millrace::cassandra
