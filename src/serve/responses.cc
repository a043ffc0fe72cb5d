#include "serve/responses.h"

#include <fmt/format.h>

#include <utility>

#include "serve/answer_cache.h"

namespace millrace::serve {
namespace {

AnswerShape or_default(const AnswerShape& shape, const char* usual) {
  return shape.is_null() ? AnswerShape::parse(usual) : shape;
}

http::Response json(int status, std::string body, std::vector<http::Header> headers) {
  headers.push_back({"Content-Type", "application/json"});
  return {.status = status,
          .headers = std::move(headers),
          .body = std::make_shared<const std::string>(std::move(body))};
}

}  // namespace

Responses::Responses(const ServeSpec& spec)
    : spec_(spec),
      success_(or_default(spec.success, R"("$data")")),
      error_(or_default(spec.error, R"({"code":"$code","message":"$message","hint":"$hint"})")) {}

Answer Responses::of_rows(const EndpointSpec& endpoint, std::string rows, std::int64_t count,
                          bool is_truncated, const sql::LiveVersion& version) const {
  Answer answer{.rows = count, .is_truncated = is_truncated};
  if (count == 0 && endpoint.empty == Empty::not_found) {
    const auto refused = refuse(&endpoint, {Fault::not_found});
    answer.status = refused.status;
    answer.body = refused.body;
    return answer;
  }
  if (endpoint.returns == Returns::many) {
    rows.insert(0, 1, '[');
    rows += ']';
  } else if (count == 0) {
    rows = "null";
  }
  if (!endpoint.data.empty()) {
    std::string key = "{";
    write_text(endpoint.data, key);
    rows = key + ":" + rows + "}";
  }
  ShapeValues values{.data = rows, .message = endpoint.message, .code = "ok"};
  if (version.batch >= 0) {
    values.batch = version.batch;
    values.watermark_us = version.watermark_us;
  }
  auto body = success_.write(values);
  answer.etag = etag_of(body);
  answer.body = std::make_shared<const std::string>(std::move(body));
  return answer;
}

http::Response Responses::to(const http::Request& request, const EndpointSpec& endpoint,
                             const Answer& answer, const sql::LiveVersion& version) const {
  http::Response response{.status = answer.status, .body = answer.body};
  response.headers.reserve(6);
  add_version(version, response.headers);
  if (answer.is_truncated) {
    response.headers.push_back({"Millrace-Truncated", "true"});
  }
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(endpoint.max_age).count();
  response.headers.push_back(
      {"Cache-Control", age > 0 ? fmt::format("max-age={}", age) : std::string("no-cache")});
  if (!answer.etag.empty()) {
    response.headers.push_back({"ETag", answer.etag});
  }
  if (matches(request.header("If-None-Match"), answer.etag)) {
    response.status = 304;
    response.body = nullptr;
  } else {
    response.headers.push_back({"Content-Type", "application/json"});
  }
  return response;
}

http::Response Responses::refuse(const EndpointSpec* endpoint, const Refused& refused,
                                 std::vector<http::Header> headers) const {
  const FaultInfo info =
      info_of(refused.fault, endpoint != nullptr ? endpoint->errors : spec_.errors);
  if (info.status == 503) {
    headers.push_back({"Retry-After", "1"});
  }
  headers.push_back({"Cache-Control", "no-store"});
  return json(info.status,
              error_.write({.data = "null",
                            .message = refused.message.empty() ? info.message : refused.message,
                            .code = info.code,
                            .hint = refused.hint,
                            .status = info.status}),
              std::move(headers));
}

http::Response Responses::shape(const http::Problem& problem) const {
  const Fault fault = fault_of(problem.status);
  const auto own = spec_.errors.find(fault);
  const bool has_message = own != spec_.errors.end() && !own->second.message.empty();
  const bool has_status = own != spec_.errors.end() && own->second.status != 0;
  const int status = has_status ? own->second.status : problem.status;
  return json(status,
              error_.write({.data = "null",
                            .message = has_message ? own->second.message : problem.message,
                            .code = info_of(fault, spec_.errors).code,
                            .hint = problem.hint,
                            .status = status}),
              {});
}

void add_version(const sql::LiveVersion& version, std::vector<http::Header>& headers) {
  if (version.batch < 0) {
    return;
  }
  headers.push_back({"Millrace-Batch", std::to_string(version.batch)});
  if (version.watermark_us) {
    headers.push_back({"Millrace-Watermark", moment_text(*version.watermark_us)});
  }
}

}  // namespace millrace::serve
