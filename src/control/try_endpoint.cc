#include "control/try_endpoint.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "control/control.h"
#include "control/watched.h"
#include "http/target.h"

namespace millrace::control {
namespace {

using Clock = std::chrono::steady_clock;

/// More than that nobody reads; whoever wants all of it asks the endpoint.
constexpr std::size_t kBodyMax = 256U << 10U;
/// Longer than any endpoint's own timeout may be.
constexpr std::chrono::minutes kTimeMax{10};

Json answer_json(const http::Response& response, Clock::duration took) {
  Json headers = Json::array();
  for (const auto& header : response.headers) {
    headers.push_back({{"name", header.name}, {"value", header.value}});
  }
  const std::string_view body = response.body ? std::string_view(*response.body) : "";
  return {{"status", response.status},
          {"headers", std::move(headers)},
          {"body", body.substr(0, kBodyMax)},
          {"bytes", body.size()},
          {"truncated", body.size() > kBodyMax},
          {"ms", std::chrono::duration<double, std::milli>(took).count()}};
}

}  // namespace

Answer try_endpoint(const Control& control, const Watched& of, const Json& body) {
  const auto target = body.find("target");
  if (target == body.end() || !target->is_string()) {
    return std::unexpected(problem(400, "bad_request", "`target` has to be a path with its query"));
  }
  http::Request request;
  request.method = "GET";
  request.target = target->get<std::string>();
  if (const auto wrong = http::read_target(request.target, request)) {
    return std::unexpected(problem(400, "bad_request", std::string(*wrong)));
  }
  // Shared with the service, which may answer after nobody waits any more.
  const auto given = std::make_shared<std::promise<http::Response>>();
  auto answered = given->get_future();
  const auto begin = Clock::now();
  if (!control.ask(of, std::move(request),
                   [given](http::Response response) { given->set_value(std::move(response)); })) {
    return std::unexpected(problem(409, "no_endpoints", "this pipeline serves nothing now",
                                   "`serve:` of its file says what is answered over HTTP"));
  }
  if (answered.wait_for(kTimeMax) != std::future_status::ready) {
    return std::unexpected(problem(504, "timeout", "the endpoint has not answered"));
  }
  try {
    const auto response = answered.get();
    if (response.events) {
      return std::unexpected(problem(400, "stream", "this is a stream of events, without an end",
                                     "open it at the endpoint's own address"));
    }
    return reply(answer_json(response, Clock::now() - begin));
  } catch (const std::future_error&) {  // whoever was to answer is gone
    return std::unexpected(problem(409, "wrong_state", "the pipeline has ended meanwhile"));
  }
}

}  // namespace millrace::control
