#include "http/internal/admission.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"

namespace millrace::http {
namespace {

/// "localhost:8080", "127.0.0.1", "[::1]:8080": what no name server can have made up; nor has a
/// browser sent none.
bool is_local_name(std::string_view host) {
  if (host.empty() || host.starts_with('[')) {
    return true;
  }
  const std::string name = to_lower(host.substr(0, host.find(':')));
  in_addr address{};
  return name == "localhost" || name.ends_with(".localhost") ||
         ::inet_pton(AF_INET, name.c_str(), &address) == 1;
}

Problem too_many(std::chrono::milliseconds wait) {
  const auto wait_s = std::max<std::int64_t>(1, (wait.count() + 999) / 1000);
  return {.status = 429,
          .code = "too_many_requests",
          .message = "too many requests in a short time",
          .hint = fmt::format("try again in {} s", wait_s),
          .headers = {{"Retry-After", std::to_string(wait_s)}}};
}

std::optional<Response> refuse_origin(const Core& core, const Request& request) {
  if (core.checks_host && !is_local_name(request.header("Host"))) {
    return core.problem(
        {.status = 421,
         .code = "misdirected_request",
         .message = "without authentication, only names of this machine may be asked for",
         .hint = "ask for localhost, or give the server `users`"});
  }
  if (core.cors.forbids(request)) {
    return core.problem({.status = 403,
                         .code = "origin_not_allowed",
                         .message = "pages of this origin may not do that",
                         .hint = "`cors_origins` says which may"});
  }
  return std::nullopt;
}

}  // namespace

std::optional<Response> admit(Core& core, Counters& counters, const Client& client,
                              Request& request) {
  if (auto refused = refuse_origin(core, request)) {
    return refused;
  }
  if (core.cors.is_on() && Cors::is_preflight(request)) {
    return core.cors.preflight(request);
  }
  const Authentication& authentication = core.authentication;
  const Authentication::User* user = nullptr;
  if (authentication.is_needed()) {
    user = authentication.user_of(request.header("Authorization"));
  }
  if (user != nullptr) {
    request.user = user->name;
    request.permission = user->permission;
  } else if (!authentication.is_needed()) {
    request.permission = Permission::control;
  }
  if (core.limiter) {
    // Users and addresses cannot be taken for each other: names of users have no space.
    const auto wait = core.limiter->take(
        request.user.empty() ? "address " + client.network : request.user, Steady::now());
    if (wait) {
      Counters::add(counters.rate_limited, 1);
      return core.problem(too_many(*wait));
    }
  }
  if (user == nullptr && authentication.is_needed() && !core.is_open_path(request.target)) {
    Counters::add(counters.authentication_failures, 1);
    return core.problem({.status = 401,
                         .code = "unauthorized",
                         .message = "the request does not say who asks, or nobody we know",
                         .hint = "send a token or a password in the header Authorization",
                         .headers = authentication.challenges()});
  }
  if (core.in_flight.load(std::memory_order_relaxed) >= core.options.max_in_flight) {
    return core.problem({.status = 503,
                         .code = "overloaded",
                         .message = "too many requests are under way",
                         .hint = "try again in a second",
                         .headers = {{"Retry-After", "1"}}});
  }
  return std::nullopt;
}

}  // namespace millrace::http
