// Options of a connection given on the command line, as a pipeline file would have them: so they
// have the same names, defaults and checks.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "cli/command.h"

namespace millrace::cli {

[[nodiscard]] inline Node scalar_node(std::string text) {
  return {.kind = Node::Kind::scalar, .text = std::move(text)};
}

inline void add_entry(Node& to, std::string_view name, Node value) {
  to.entries.push_back({.key = std::string(name), .at = {}, .value = std::move(value)});
}

/// "tls=true" in its two parts. Throws Error (user).
[[nodiscard]] inline std::pair<std::string_view, std::string_view> name_and_value(
    std::string_view text, std::string_view option) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) {
    throw Error(Blame::user,
                fmt::format("{} {} must be NAME=VALUE, such as tls=true", option, text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

/// What the node says of a connection, or Error (user) for the first thing that is wrong with it.
/// `check`: of what an option table can't see.
template <class Connection, class Check>
[[nodiscard]] Connection parse_connection(const Node& node, std::string_view option,
                                          const Check& check) {
  Connection connection;
  Diagnostics diagnostics;
  if (!Connection::table().parse(node, diagnostics, connection, option) ||
      !check(connection, Location{}, diagnostics, option)) {
    const auto& first = diagnostics.all().front();
    throw Error(Blame::user,
                fmt::format("{}{}{}", first.message, first.hint.empty() ? "" : "; ", first.hint));
  }
  print_diagnostics(diagnostics, "");
  return connection;
}

}  // namespace millrace::cli
