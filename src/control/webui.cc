#include "control/webui.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "control/embedded.h"
#include "http/problem.h"

namespace millrace::control {
namespace {

constexpr std::string_view kPage = "index.html";

std::string_view type_of(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},   {".svg", "image/svg+xml"},
      {".json", "application/json"},         {".txt", "text/plain; charset=utf-8"}};
  const auto found =
      std::ranges::find_if(kTypes, [&](const auto& each) { return path.ends_with(each.first); });
  return found == std::end(kTypes) ? "application/octet-stream" : found->second;
}

/// Only what this server gives is loaded and talked to; nobody may put the page into a frame.
http::Response response_of(const EmbeddedFile& file) {
  // Names of the others have a hash of their content in them.
  const bool stays = file.path.starts_with("assets/");
  return {.status = 200,
          .headers = {{"Content-Type", std::string(type_of(file.path))},
                      {"Cache-Control", stays ? "public, max-age=31536000, immutable" : "no-cache"},
                      {"Referrer-Policy", "same-origin"},
                      {"Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
                       "data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'"}},
          .body = std::make_shared<const std::string>(file.body),
          .events = {}};
}

}  // namespace

void add_webui(http::Router& router) {
  // Made once, so that each is compressed once.
  std::map<std::string, http::Response, std::less<>> responses;
  for (const EmbeddedFile& file : web_files()) {
    responses.emplace(file.path, response_of(file));
  }
  router.add(
      "GET", "/{path...}",
      [responses = std::move(responses)](const http::Request& request,
                                         const http::Captured& captured, http::Responder respond) {
        const std::string& path = captured.at(0);
        if (path == "api" || path.starts_with("api/") || path.starts_with("assets/")) {
          if (const auto found = responses.find(path); found != responses.end()) {
            respond(found->second);
            return;
          }
          respond(http::problem_response({.status = 404,
                                          .code = "not_found",
                                          .message = "there is nothing at " + request.target,
                                          .hint = "the control API is under /api/v1"}));
          return;
        }
        const auto found = responses.find(path);
        respond(found != responses.end() ? found->second : responses.at(std::string(kPage)));
      });
}

}  // namespace millrace::control
