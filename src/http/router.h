// Which of many handlers answers: by method and path.
//
//   Router router;
//   router.add("GET", "/customers/{id}", [](Request request, Captured captured, Responder respond)
//   {
//     respond(answer_of(captured[0]));
//   });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/problem.h"

namespace millrace::http {

/// The segments of a path that stand for `{...}` in the pattern, in order.
using Captured = std::vector<std::string>;

/// To be filled before the server starts; then const. Patterns are segments between slashes: texts,
/// taken as they are, `{name}`, any one segment that is not empty, and at the end `{name...}`, all
/// that is left (perhaps nothing), joined by slashes. A text goes before `{name}`.
///
/// A path that no pattern has gets a 404, a method that it has not a 405 with Allow. HEAD is
/// answered by GET's, and OPTIONS by a 204 with Allow, if there is none of their own.
class Router final : public Handler {
 public:
  using Action = std::function<void(Request request, Captured captured, Responder respond)>;

  explicit Router(ProblemShaper shape = problem_response) : shape_(std::move(shape)) {}

  /// Throws Error{Blame::internal} for a pattern that is none, or is there already.
  void add(std::string_view method, std::string_view pattern, Action action);
  void handle(Request request, Responder respond) override;

 private:
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> texts;
    std::unique_ptr<Node> any;
    std::map<std::string, Action, std::less<>> actions;
    std::map<std::string, Action, std::less<>> tail_actions;  ///< of `{name...}`
  };
  using Actions = std::map<std::string, Action, std::less<>>;
  static const Actions* find(const Node& node, const std::vector<std::string>& segments,
                             std::size_t from, Captured& captured);
  static const Action* action_of(const Actions& actions, std::string_view method);

  ProblemShaper shape_;
  Node root_;
};

}  // namespace millrace::http
