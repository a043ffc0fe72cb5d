#include <array>

#include "base/strings.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"
#include "http/header_values.h"
#include "http/internal/request_reader.h"
#include "http/target.h"

namespace millrace::fuzz {

namespace {

using http::Request;
using State = http::RequestReader::State;

constexpr http::RequestLimits kLimits{
    .head_size = 2048, .target_size = 512, .headers = 20, .body_size = 4096};

void check(const Request& request) {
  expect(request.query.size() <= http::kMaxParameters, "too many parameters");
  for (const std::string& segment : request.segments) {
    expect(!find_invalid_utf8(segment) && segment.find('\0') == std::string::npos &&
               segment != "." && segment != "..",
           "a segment that had to be refused");
  }
  for (const auto& [name, value] : request.query) {
    expect(!find_invalid_utf8(name) && !find_invalid_utf8(value), "a parameter is not UTF-8");
  }
}

void target(std::string_view input) {
  Request request;
  if (!http::read_target(input, request)) {
    check(request);
  }
  expect(!find_invalid_utf8(http::logged_target(input)), "what is logged is not UTF-8");
}

struct Outcome {
  State state = State::needs_more;
  int status = 0;
  Request request;
};

/// As a connection does it: what is left is given again, with more behind it.
Outcome read(std::string_view input, std::size_t step) {
  Outcome outcome;
  http::RequestReader reader(kLimits, outcome.request);
  std::size_t begin = 0;
  for (std::size_t end = std::min(step, input.size());; end = std::min(end + step, input.size())) {
    do {
      std::size_t used = 0;
      outcome.state = reader.read(input.substr(begin, end - begin), used);
      begin += used;
      expect(begin <= end, "more is used than there is");
    } while (outcome.state == State::head_is_read);
    if (outcome.state != State::needs_more || end == input.size()) {
      break;
    }
  }
  if (outcome.state == State::failed) {
    outcome.status = reader.problem().status;
    expect(outcome.status >= 400 && outcome.status < 600, "no reason");
    expect(!find_invalid_utf8(reader.problem().message), "the reason is not UTF-8");
  }
  return outcome;
}

void request(std::string_view input) {
  const Outcome whole = read(input, input.size() + 1);
  expect(whole.request.headers.size() <= kLimits.headers, "too many headers");
  expect(whole.request.body.size() <= kLimits.body_size, "too large a body");
  if (whole.state == State::is_read) {
    check(whole.request);
    for (const std::size_t step : std::array<std::size_t, 2>{1, 7}) {
      const Outcome parts = read(input, step);
      expect(parts.state == State::is_read && parts.request.target == whole.request.target &&
                 parts.request.body == whole.request.body &&
                 parts.request.headers.size() == whole.request.headers.size(),
             "in parts it is another request");
    }
  }
}

}  // namespace

void http_requests(std::string_view input) {
  if (input.empty()) {
    return;
  }
  const std::string_view rest = input.substr(1);
  switch (input.front()) {
    case 't':
      return target(rest);
    case 'a':
      (void)http::read_authorization(rest);
      return;
    case 'e':
      (void)http::accepts_gzip(rest);
      (void)http::is_compressible(rest);
      return;
    default:
      return request(rest);
  }
}

}  // namespace millrace::fuzz
