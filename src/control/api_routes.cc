#include "control/api_routes.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/crc32c.h"
#include "base/strings.h"
#include "control/control.h"
#include "control/embedded.h"
#include "http/options.h"

namespace millrace::control {
namespace {

using http::Captured;
using http::Permission;
using http::Request;
using http::Responder;
using http::Response;

Response response_of(Answer&& answer, std::string_view known) {
  if (!answer) {
    return http::problem_response(answer.error());
  }
  Response response;
  response.status = answer->status;
  const auto tag = fmt::format(R"("{:08x}{:x}")", crc32c(answer->body), answer->body.size());
  response.headers = {
      {"Content-Type", "application/json"},
      {"Cache-Control", answer->is_immutable ? "private, max-age=31536000, immutable" : "no-cache"},
      {"ETag", tag}};
  if (response.status == 200 && !known.empty() && known.find(tag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.body = std::make_shared<const std::string>(std::move(answer->body));
  return response;
}

/// Whether a page of another site makes a browser ask: nullopt: no.
std::optional<http::Problem> foreign(const Request& request, const Control& control) {
  const auto type = request.header("Content-Type");
  if (!equal_ignoring_case(trim(type.substr(0, type.find(';'))), "application/json")) {
    return problem(415, "not_json", "a change has to come as JSON",
                   "send `Content-Type: application/json`");
  }
  const auto origin = request.header("Origin");
  const auto host = origin.find("://");
  if (!origin.empty() && !control.trusts(origin) &&
      (host == std::string_view::npos ||
       !equal_ignoring_case(origin.substr(host + 3), request.header("Host")))) {
    return problem(403, "foreign_origin", "pages of other sites can't change anything here",
                   "use the address that the page itself came from, or name its origin in "
                   "`cors_origins` of the control server");
  }
  return std::nullopt;
}

http::Problem forbidden(Permission wanted) {
  const bool control = wanted == Permission::control;
  return problem(403, "forbidden",
                 control ? "this needs the permission control" : "this needs the permission read",
                 "ask whoever has set up `users` of the control server");
}

std::expected<std::shared_ptr<Watched>, http::Problem> found(const Control& control,
                                                             const std::string& name) {
  auto watched = control.find(name);
  if (watched == nullptr) {
    return std::unexpected(problem(404, "no_such_pipeline",
                                   fmt::format("there is no pipeline `{}` here", name),
                                   "GET /api/v1/pipelines lists those that there are"));
  }
  return watched;
}

std::expected<Json, http::Problem> body_of(const Request& request) {
  auto body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) {
    return std::unexpected(problem(400, "bad_request", "the body has to be a JSON object"));
  }
  return body;
}

const std::string kOfPipeline = "/api/v1/pipelines/{id}";

Json schema_of(const RouteField& field) {
  Json schema = {{"type", field.type}};
  if (!field.words.empty()) {
    schema["enum"] = field.words;
  }
  return schema;
}

Json parameters_of(const std::string& path, const RouteDoc& doc) {
  Json parameters = Json::array();
  for (const auto piece : split(path, '/')) {
    if (piece.starts_with('{')) {
      const auto name = std::string(piece.substr(1, piece.size() - 2));
      parameters.push_back(
          {{"name", name},
           {"in", "path"},
           {"required", true},
           {"description", name == "id" ? "The name of a pipeline." : "The number of a batch."},
           {"schema", {{"type", name == "id" ? "string" : "integer"}}}});
    }
  }
  for (const auto& field : doc.query) {
    parameters.push_back({{"name", field.name},
                          {"in", "query"},
                          {"description", field.text},
                          {"schema", schema_of(field)}});
  }
  return parameters;
}

/// A body of a type, of a shape that `contract` declares.
Json content_of(const Json& contract, const std::string& type, const std::string& shape) {
  if (!contract.at("components").at("schemas").contains(shape)) {
    throw Error(Blame::internal, fmt::format("contract.json has no shape {}", shape));
  }
  return {{type, {{"schema", {{"$ref", "#/components/schemas/" + shape}}}}}};
}

}  // namespace

void Routes::submit(Jobs& jobs, Request request, Captured captured, Responder respond,
                    const Call& call) {
  if (!request.may(Permission::read)) {
    respond(http::problem_response(forbidden(Permission::read)));
    return;
  }
  const auto shared = std::make_shared<Responder>(std::move(respond));  // for either way below
  Jobs::Job job = [shared, call, request = std::move(request), captured = std::move(captured)] {
    try {
      (*shared)(response_of(call(request, captured), request.header("If-None-Match")));
    } catch (const std::exception& error) {
      Log().warn("the control API can't answer {}: {}", request.target, error.what());
      (*shared)(http::problem_response(problem(500, "internal", error.what())));
    }
  };
  if (!jobs.submit(job)) {
    (*shared)(http::problem_response(
        problem(503, "busy", "too many requests wait for an answer", "ask again in a moment")));
  }
}

void Routes::get(const std::string& path, RouteDoc doc, Call call) {
  router_.add("GET", path,
              [&control = control_, call = std::move(call)](Request request, Captured captured,
                                                            Responder respond) {
                submit(control.jobs(), std::move(request), std::move(captured), std::move(respond),
                       call);
              });
  declared_.push_back({"GET", path, Permission::read, std::move(doc)});
}

void Routes::get_of(const std::string& path, RouteDoc doc, OfPipeline call) {
  get(kOfPipeline + path, std::move(doc),
      [&control = control_, call = std::move(call)](const Request& request,
                                                    const Captured& captured) -> Answer {
        auto watched = found(control, captured.at(0));
        return watched ? call(**watched, request, captured)
                       : Answer(std::unexpected(std::move(watched.error())));
      });
}

void Routes::ask_of(const std::string& path, RouteDoc doc, Jobs& jobs, Question question) {
  const Call call = [&control = control_, question = std::move(question)](
                        const Request& request, const Captured& captured) -> Answer {
    if (auto wrong = foreign(request, control)) {
      return std::unexpected(*std::move(wrong));
    }
    const auto watched = found(control, captured.at(0));
    if (!watched) {
      return std::unexpected(watched.error());
    }
    const auto body = body_of(request);
    return body ? question(**watched, *body) : Answer(std::unexpected(body.error()));
  };
  router_.add("POST", kOfPipeline + path,
              [call, &jobs](Request request, Captured captured, Responder respond) {
                submit(jobs, std::move(request), std::move(captured), std::move(respond), call);
              });
  declared_.push_back({"POST", kOfPipeline + path, Permission::read, std::move(doc)});
}

void Routes::post_to(const std::string& path, RouteDoc doc, Later call) {
  router_.add("POST", kOfPipeline + path,
              [&control = control_, call = std::move(call)](
                  const Request& request, const Captured& captured, Responder respond) {
                const auto shared = std::make_shared<Responder>(std::move(respond));
                const auto answer = [shared](Answer given) {
                  (*shared)(response_of(std::move(given), ""));
                };
                if (auto wrong = foreign(request, control)) {
                  return answer(std::unexpected(*std::move(wrong)));
                }
                if (!request.may(Permission::control)) {
                  return answer(std::unexpected(forbidden(Permission::control)));
                }
                const auto watched = found(control, captured.at(0));
                if (!watched) {
                  return answer(std::unexpected(watched.error()));
                }
                const auto body = body_of(request);
                if (!body) {
                  return answer(std::unexpected(body.error()));
                }
                call(**watched, *body, asker(request), answer);
              });
  declared_.push_back({"POST", kOfPipeline + path, Permission::control, std::move(doc)});
}

void Routes::post(const std::string& path, RouteDoc doc,
                  std::function<Answer(const std::string& by)> call) {
  router_.add("POST", path,
              [&control = control_, call = std::move(call)](Request request, Captured captured,
                                                            Responder respond) {
                submit(control.jobs(), std::move(request), std::move(captured), std::move(respond),
                       [call, &control](const Request& asked, const Captured&) -> Answer {
                         if (auto wrong = foreign(asked, control)) {
                           return std::unexpected(*std::move(wrong));
                         }
                         return asked.may(Permission::control)
                                    ? call(asker(asked))
                                    : Answer(std::unexpected(forbidden(Permission::control)));
                       });
              });
  declared_.push_back({"POST", path, Permission::control, std::move(doc)});
}

void Routes::raw(const std::string& path, RouteDoc doc, http::Router::Action action) {
  const bool is_open = !path.starts_with("/api/");
  router_.add(
      "GET", path,
      [is_open, action = std::move(action)](Request request, Captured captured, Responder respond) {
        if (!is_open && !request.may(Permission::read)) {
          return respond(http::problem_response(forbidden(Permission::read)));
        }
        action(std::move(request), std::move(captured), std::move(respond));
      });
  declared_.push_back({"GET", path, is_open ? Permission::none : Permission::read, std::move(doc)});
}

Json Routes::openapi(const std::string& version) const {
  auto document = Json::parse(contract());
  Json paths = Json::object();
  for (const auto& [method, path, permission, doc] : declared_) {
    Json operation = {{"summary", doc.summary},
                      {"parameters", parameters_of(path, doc)},
                      {"responses", {{"default", {{"$ref", "#/components/responses/Problem"}}}}}};
    if (!doc.answer.empty()) {
      operation["responses"]["200"] = {
          {"description", "Done."}, {"content", content_of(document, doc.answer_type, doc.answer)}};
    }
    if (!doc.body.empty()) {
      operation["requestBody"] = {{"required", true},
                                  {"content", content_of(document, "application/json", doc.body)}};
    }
    if (permission == Permission::none) {
      operation["security"] = Json::array();
    } else {
      operation["x-permission"] = enum_word(permission);
    }
    paths[path][to_lower(method)] = std::move(operation);
  }
  document["info"]["version"] = version;
  document["paths"] = std::move(paths);
  return document;
}

}  // namespace millrace::control
