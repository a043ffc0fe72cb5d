#include "http/problem.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/strings.h"

namespace millrace::http {

Response problem_response(const Problem& problem) {
  nlohmann::ordered_json json{{"code", problem.code}, {"message", problem.message}};
  if (!problem.hint.empty()) {
    json["hint"] = problem.hint;
  }
  // What a client wrote may be quoted in a message, and need not be UTF-8.
  std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text += '\n';
  Response response{.status = problem.status, .headers = problem.headers};
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

Response shaped(const ProblemShaper& shape, const Problem& problem) {
  Response response = shape(problem);
  for (const Header& header : problem.headers) {
    const auto is_it = [&](const Header& each) {
      return equal_ignoring_case(each.name, header.name) && each.value == header.value;
    };
    if (std::ranges::none_of(response.headers, is_it)) {
      response.headers.push_back(header);
    }
  }
  return response;
}

std::string_view reason_phrase(int status) noexcept {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  const auto* const found =
      std::ranges::find(kPhrases, status, &std::pair<int, std::string_view>::first);
  return found == std::end(kPhrases) ? "Unknown" : found->second;
}

}  // namespace millrace::http
