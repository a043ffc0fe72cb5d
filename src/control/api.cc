#include "control/api.h"

#include <fmt/format.h>

#include <memory>

#include "base/strings.h"
#include "control/api_routes.h"
#include "control/control.h"
#include "control/queries.h"
#include "control/try_endpoint.h"
#include "http/options.h"

namespace millrace::control {
namespace {

using http::Captured;
using http::Request;
using http::Responder;
using http::Response;

Answer post_reload(const Control& control, const std::string& by) {
  if (!control.reload()) {
    return std::unexpected(problem(409, "no_folder", "this process runs one pipeline, not a folder",
                                   "stop it, and start it again"));
  }
  try {
    return reply(control.reload()(by));
  } catch (const Error& error) {
    return std::unexpected(problem(409, "reload", error.what()));
  }
}

void stream_events(Control& control, const Request& request, Responder& respond) {
  if (control.stream().is_full()) {
    return respond(http::problem_response(
        problem(503, "busy", "too many clients follow already", "share one stream between tabs")));
  }
  auto last = std::string(request.header("Last-Event-ID"));
  if (last.empty()) {
    last = request.parameter("last_event_id").value_or("");
  }
  Response response;
  response.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
  response.events = [&control, last](std::shared_ptr<http::EventStream> client) {
    control.stream().add(std::move(client), last);
  };
  respond(std::move(response));
}

void ready(const Control& control, Responder& respond) {
  for (const auto& watched : control.all()) {
    const auto status = watched->host().status();
    if (status.state == RunState::starting || status.state == RunState::failed) {
      return respond(http::problem_response(problem(
          503, "not_ready",
          fmt::format("pipeline {} is {}", watched->name(), run_state_word(status.state)))));
    }
  }
  respond({.status = 200,
           .headers = {{"Content-Type", "text/plain"}},
           .body = std::make_shared<const std::string>("ready\n"),
           .events = {}});
}

}  // namespace

Reply reply(const Json& json) {
  // Names and messages of systems outside need not be UTF-8.
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

http::Problem problem(int status, std::string code, std::string message, std::string hint) {
  return {.status = status,
          .code = std::move(code),
          .message = std::move(message),
          .hint = std::move(hint)};
}

std::expected<std::optional<std::int64_t>, http::Problem> number_of(const http::Request& request,
                                                                    std::string_view name) {
  const auto text = request.parameter(name);
  if (!text || text->empty()) {
    return std::nullopt;
  }
  const auto number = parse_integer(*text);
  if (!number) {
    return std::unexpected(
        problem(400, "bad_request", fmt::format("`{}` has to be a number", name)));
  }
  return number;
}

std::string asker(const http::Request& request) {
  return request.user.empty() ? request.client : request.user;
}

namespace {

using Fields = std::vector<RouteField>;

/// Of answers as of a batch.
Fields at() { return {{"at", "integer", "As of this batch; default: the last one."}}; }

void add_process(Routes& routes, Control& control) {
  routes.get("/api/v1/access", {"Who asks, and what they may do.", "Access"},
             [](const auto& request, const auto&) {
               return Answer(reply(
                   {{"user", asker(request)}, {"permission", enum_word(request.permission)}}));
             });
  routes.get("/api/v1/process",
             {"What the process takes of its machine, rows a second.", "Process"},
             [&control](const auto&, const auto&) { return Answer(reply(control.process())); });
  routes.get("/api/v1/pipelines", {"All pipelines, each with its last 60 batches.", "Pipelines"},
             [&control](const auto&, const auto&) { return get_pipelines(control); });
  routes.get("/api/v1/endpoints", {"What is served.", "Endpoints"},
             [&control](const auto&, const auto&) { return Answer(reply(control.endpoints())); });
  routes.get("/api/v1/events",
             {"What happened, the newest first.",
              "LogEvents",
              {{"pipeline", "string", "Of this pipeline."},
               {"level", "string", "This and above.", {"info", "warn", "error"}},
               {"kind", "string", "Of this kind: state, command, log, alert, quarantine, ..."},
               {"before", "integer", "Older than the event with this id."},
               {"after", "integer", "Newer than the event with this id."},
               {"limit", "integer", "At most so many; default 200, at most 1000."}}},
             [&control](const auto& request, const auto&) { return get_events(control, request); });
  routes.post("/api/v1/reload", {"Reads the folder of pipelines again.", "Reloaded"},
              [&control](const std::string& by) { return post_reload(control, by); });
}

void add_batches(Routes& routes, Control& control) {
  routes.get_of(
      "", {"A pipeline: state, error, findings, counts, the last 60 batches.", "PipelineSummary"},
      [&control](auto& watched, const auto&, const auto&) {
        return Answer(reply(summary_json(control, watched)));
      });
  routes.get_of("/progress",
                {"A line a batch; the last 240 by default.",
                 "ProgressLines",
                 {{"from", "integer", "The first batch."}, {"to", "integer", "The last batch."}}},
                [](auto& w, const auto& r, const auto&) { return get_progress(w, r); });
  routes.get_of("/graph",
                {"Sources, datasets and sinks, and who reads whom.",
                 "Graph",
                 {{"at", "integer", "As this batch ran them; default: as they are now."}}},
                [](auto& w, const auto& r, const auto&) { return get_graph(w, r); });
  routes.get_of(
      "/batches/{n}",
      {"All that is known of a batch.",
       "Batch",
       {{"of", "string", "The checkpoint that it has to be of: then it never changes."},
        {"nodes", "string", "Names of some nodes (a,b), or groups: sums of groups."},
        {"open", "string", "Names of groups (g,h) whose nodes are told of one by one."}}},
      [](auto& w, const auto& r, const auto& captured) { return get_batch(w, captured.at(1), r); });
  routes.get_of("/checks", {"Quality checks, each with the batches before.", "CheckRows", at()},
                [](auto& w, const auto& r, const auto&) { return get_checks(w, r); });
  routes.get_of("/alerts", {"Rules, what they found, and who was told.", "Alerts"},
                [&control](auto& watched, const auto&, const auto&) {
                  return Answer(reply(control.alerts(watched)));
                });
  routes.get_of("/state",
                {"What each dataset keeps, each with the batches before.", "StateTables", at()},
                [](auto& w, const auto& r, const auto&) { return get_state(w, r); });
}

void add_tables(Routes& routes, Control& control) {
  routes.get_of("/tables", {"Live tables, as of the last committed batch.", "LiveTables"},
                [&control](auto& w, const auto&, const auto&) {
                  return Answer(reply(live_tables_json(control.tables(w))));
                });
  routes.ask_of("/query",
                {.summary = "Asks the live tables, as of one committed batch; changes nothing.",
                 .answer = "QueryResult",
                 .body = "Query"},
                control.queries().jobs(), [&control](auto& w, const Json& body) {
                  return control.queries().answer(control.tables(w), body);
                });
  routes.ask_of(
      "/try",
      {.summary = "Asks an endpoint of the pipeline: status, headers and body of its answer.",
       .answer = "Tried",
       .body = "Trial"},
      control.queries().jobs(),
      [&control](auto& w, const Json& body) { return try_endpoint(control, w, body); });
  routes.ask_of("/trace",
                {.summary = "Why is this row here, or not? Not there yet: always 501.",
                 .answer = "",
                 .body = "TraceQuestion"},
                control.jobs(), [](auto&, const Json&) {
                  return Answer(std::unexpected(problem(
                      501, "no_trace", "rows can't be traced yet",
                      "batches/{n} says where how many rows went, quarantine shows those that were "
                      "put aside, and query what the tables hold")));
                });
}

void add_quarantine(Routes& routes) {
  routes.get_of(
      "/quarantine",
      {"Rows that were put aside, the newest first.",
       "QuarantinedRows",
       {{"dataset", "string", "The source, dataset or sink."},
        {"check", "string", "The check; malformed or refused."},
        {"reason", "string", "A part of the reason, or of the column's name."},
        {"status", "string", "Default: all.", {"open", "waiting", "replayed", "discarded"}},
        {"limit", "integer", "At most so many; default 100, at most 1000."},
        {"cursor", "string", "The id of the last row of the page before."}}},
      [](auto& w, const auto& r, const auto&) { return get_quarantine(w, r); });
  routes.post_to("/quarantine",
                 {.summary = "Reads rows again, or throws them away.",
                  .answer = "QuarantineChanged",
                  .body = "QuarantineChange"},
                 [](auto& watched, const Json& body, const std::string& by, const auto& done) {
                   post_quarantine(watched, body, by, done);
                 });
}

void add_raw(Routes& routes, Control& control) {
  routes.raw("/api/v1/stream",
             {.summary = "All events, as server-sent events. `Last-Event-ID` goes on.",
              .answer = "StreamEvent",
              .query = {{"last_event_id", "string", "As the header, for who can't send it."}},
              .answer_type = "text/event-stream"},
             [&control](const Request& request, const Captured&, Responder respond) {
               stream_events(control, request, respond);
             });
  routes.raw(
      "/readyz",
      {.summary = "503 while a pipeline starts or has failed.",
       .answer = "Text",
       .answer_type = "text/plain"},
      [&control](const Request&, const Captured&, Responder respond) { ready(control, respond); });
  routes.raw("/healthz",
             {.summary = "The process lives.", .answer = "Text", .answer_type = "text/plain"},
             [](const Request&, const Captured&, Responder respond) {
               respond({.status = 200,
                        .headers = {{"Content-Type", "text/plain"}},
                        .body = std::make_shared<const std::string>("alive\n"),
                        .events = {}});
             });
}

}  // namespace

void add_routes(http::Router& router, Control& control) {
  Routes routes(router, control);
  add_process(routes, control);
  add_batches(routes, control);
  add_tables(routes, control);
  add_quarantine(routes);
  routes.post_to("/control",
                 {.summary = "Steers a pipeline.", .answer = "Commanded", .body = "Command"},
                 [](auto& watched, const Json& body, const std::string& by, const auto& done) {
                   done(post_control(watched, body, by));
                 });
  add_raw(routes, control);
  const auto openapi = std::make_shared<Reply>();
  routes.get("/api/v1/openapi.json", {"What this API has.", "OpenApi"},
             [openapi](const auto&, const auto&) { return Answer(*openapi); });
  *openapi = reply(routes.openapi(control.version()));
}

}  // namespace millrace::control
