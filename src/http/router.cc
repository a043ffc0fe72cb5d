#include "http/router.h"

#include <fmt/core.h>

#include <set>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::http {
namespace {

std::string allowed(const std::map<std::string, Router::Action, std::less<>>& actions) {
  std::set<std::string> methods{"OPTIONS"};
  for (const auto& [method, action] : actions) {
    methods.insert(method);
  }
  if (methods.contains("GET")) {
    methods.insert("HEAD");
  }
  return join({methods.begin(), methods.end()}, ", ");
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Action action) {
  const auto wrong = [&](std::string_view why) {
    return Error(Blame::internal, fmt::format("the route {} {} {}", method, pattern, why));
  };
  if (!pattern.starts_with('/')) {
    throw wrong("does not begin with a slash");
  }
  Node* node = &root_;
  bool is_tail = false;
  std::vector<std::string_view> segments;
  if (pattern.size() > 1) {
    segments = split(pattern.substr(1), '/');
  }
  for (const std::string_view segment : segments) {
    if (is_tail) {
      throw wrong("goes on behind `{...}`");
    }
    if (!segment.starts_with('{')) {
      auto& next = node->texts[std::string(segment)];
      next = next == nullptr ? std::make_unique<Node>() : std::move(next);
      node = next.get();
    } else if (!segment.ends_with('}')) {
      throw wrong("has a `{` without `}`");
    } else if (segment.ends_with("...}")) {
      is_tail = true;
    } else {
      node->any = node->any == nullptr ? std::make_unique<Node>() : std::move(node->any);
      node = node->any.get();
    }
  }
  Actions& actions = is_tail ? node->tail_actions : node->actions;
  if (!actions.emplace(method, std::move(action)).second) {
    throw wrong("is there already");
  }
}

const Router::Actions* Router::find(const Node& node, const std::vector<std::string>& segments,
                                    std::size_t from, Captured& captured) {
  if (from == segments.size() && !node.actions.empty()) {
    return &node.actions;
  }
  if (from < segments.size()) {
    if (const auto text = node.texts.find(segments[from]); text != node.texts.end()) {
      if (const Actions* found = find(*text->second, segments, from + 1, captured)) {
        return found;
      }
    }
    if (node.any != nullptr && !segments[from].empty()) {
      captured.push_back(segments[from]);
      if (const Actions* found = find(*node.any, segments, from + 1, captured)) {
        return found;
      }
      captured.pop_back();
    }
  }
  if (node.tail_actions.empty()) {
    return nullptr;
  }
  captured.push_back(
      join({segments.begin() + static_cast<std::ptrdiff_t>(from), segments.end()}, "/"));
  return &node.tail_actions;
}

const Router::Action* Router::action_of(const Actions& actions, std::string_view method) {
  auto found = actions.find(method);
  if (found == actions.end() && method == "HEAD") {
    found = actions.find("GET");
  }
  return found == actions.end() ? nullptr : &found->second;
}

void Router::handle(Request request, Responder respond) {
  Captured captured;
  const Actions* actions = find(root_, request.segments, 0, captured);
  if (actions == nullptr) {
    respond(
        shape_({.status = 404, .code = "not_found", .message = "there is nothing at this path"}));
  } else if (const Action* action = action_of(*actions, request.method)) {
    (*action)(std::move(request), std::move(captured), std::move(respond));
  } else if (request.method == "OPTIONS") {
    respond({.status = 204, .headers = {{"Allow", allowed(*actions)}}});
  } else {
    const std::string methods = allowed(*actions);
    const Problem problem{.status = 405,
                          .code = "method_not_allowed",
                          .message = fmt::format("{} is not possible here", request.method),
                          .hint = "these are: " + methods,
                          .headers = {{"Allow", methods}}};
    respond(shaped(shape_, problem));
  }
}

}  // namespace millrace::http
