// How paths of the control API are declared: who may ask, what is described of them, and on which
// threads they are answered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/api.h"
#include "control/jobs.h"
#include "http/router.h"

namespace millrace::control {

class Control;
class Watched;

/// A parameter of a query.
struct RouteField {
  std::string name;
  std::string type;  ///< of JSON Schema: "integer", "string"
  std::string text;
  std::vector<std::string> words = {};  ///< that it may be; empty: any
};

/// What openapi.json says of a path. Shapes are those that contract.json declares, by their names.
struct RouteDoc {
  std::string summary;
  std::string answer;  ///< its shape, or that of each event; empty: there are only problems
  std::vector<RouteField> query = {};
  std::string body = {};  ///< its shape; empty: there is none
  std::string answer_type = "application/json";
};

/// Puts handlers on the threads of a control, makes answers of what they give, and remembers what
/// was declared.
class Routes {
 public:
  Routes(http::Router& router, Control& control) : router_(router), control_(control) {}

  using Call = std::function<Answer(const http::Request&, const http::Captured&)>;
  using OfPipeline = std::function<Answer(Watched&, const http::Request&, const http::Captured&)>;
  void get(const std::string& path, RouteDoc doc, Call call);
  void get_of(const std::string& path, RouteDoc doc, OfPipeline call);
  /// A question that comes as a JSON object, and changes nothing.
  using Question = std::function<Answer(Watched&, const Json& body)>;
  void ask_of(const std::string& path, RouteDoc doc, Jobs& jobs, Question question);
  /// A change, for those who may steer; `done` may be called later.
  using Later = std::function<void(Watched&, const Json&, const std::string& by,
                                   std::function<void(Answer)>)>;
  void post_to(const std::string& path, RouteDoc doc, Later call);
  /// A change of the process.
  void post(const std::string& path, RouteDoc doc,
            std::function<Answer(const std::string& by)> call);
  /// What answers by itself, on the server's threads.
  void raw(const std::string& path, RouteDoc doc, http::Router::Action action);

  /// OpenAPI 3.1 of all that was declared so far. Throws for a shape that is not declared.
  [[nodiscard]] Json openapi(const std::string& version) const;

 private:
  struct Declared {
    std::string method;
    std::string path;
    http::Permission permission;
    RouteDoc doc;
  };
  static void submit(Jobs& jobs, http::Request request, http::Captured captured,
                     http::Responder respond, const Call& call);

  http::Router& router_;
  Control& control_;
  std::vector<Declared> declared_;
};

}  // namespace millrace::control
