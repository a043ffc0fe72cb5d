#include "http/cors.h"

#include <algorithm>

#include "base/strings.h"
#include "http/header_values.h"

namespace millrace::http {
Cors::Cors(const std::vector<std::string>& origins, bool credentials) : credentials_(credentials) {
  for (const std::string& origin : origins) {
    if (origin == "*") {
      any_ = true;
    } else {
      origins_.push_back(to_lower(origin));
    }
  }
}

bool Cors::allows(std::string_view origin) const noexcept {
  return any_ || std::ranges::any_of(origins_, [&](const std::string& each) {
           return equal_ignoring_case(each, origin);
         });
}

bool Cors::forbids(const Request& request) const noexcept {
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || is_safe_method(request.method) || allows(origin)) {
    return false;
  }
  // Behind a proxy that ends TLS, we do not know by which scheme we were asked.
  const std::size_t host = origin.find("://");
  return host == std::string_view::npos ||
         !equal_ignoring_case(origin.substr(host + 3), request.header("Host"));
}

bool Cors::is_preflight(const Request& request) noexcept {
  return request.method == "OPTIONS" && !request.header("Origin").empty() &&
         !request.header("Access-Control-Request-Method").empty();
}

Response Cors::preflight(const Request& request) const {
  Response response{.status = 204};
  if (!allows(request.header("Origin"))) {
    return response;
  }
  response.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"},
                      {"Access-Control-Max-Age", "600"}};
  const std::string_view wanted = request.header("Access-Control-Request-Headers");
  if (!wanted.empty()) {
    response.headers.push_back({"Access-Control-Allow-Headers", std::string(wanted)});
  }
  return response;
}

void Cors::append_headers(std::string_view origin, std::string& to) const {
  if (any_) {
    to += "Access-Control-Allow-Origin: *\r\n";
  } else {
    to += "Vary: Origin\r\n";
  }
  if (origin.empty() || !allows(origin)) {
    return;
  }
  if (!any_) {
    to += "Access-Control-Allow-Origin: ";
    to += origin;
    to += "\r\n";
    if (credentials_) {
      to += "Access-Control-Allow-Credentials: true\r\n";
    }
  }
  to += "Access-Control-Expose-Headers: *\r\n";
}

}  // namespace millrace::http
