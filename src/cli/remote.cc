#include "cli/remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/files.h"
#include "base/strings.h"
#include "control/registry.h"

namespace millrace::cli {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

/// Not on the command line, where others could see it. Empty: there is none.
std::string token_of_user() {
  if (auto token = variable("MILLRACE_TOKEN"); !token.empty()) {
    return token;
  }
  const auto path = variable("MILLRACE_TOKEN_FILE");
  return path.empty() ? std::string() : std::string(trim(read_file(path)));
}

}  // namespace

Remote::Remote(std::string url, std::chrono::milliseconds patience) : url_(std::move(url)) {
  if (!url_.starts_with("http://") && !url_.starts_with("https://")) {
    url_ = "http://" + url_;
  }
  url_.erase(url_.find_last_not_of('/') + 1);
  client_ = std::make_unique<HttpClient>(HttpOptions{.ca_file = variable("MILLRACE_CA_FILE"),
                                                     .connect_timeout = std::chrono::seconds(2),
                                                     .total_timeout = patience});
}

Json Remote::get(const std::string& path) {
  return ask({.url = fmt::format("{}/api/v1{}", url_, path)});
}

Json Remote::post(const std::string& path, const Json& body) {
  const auto text = body.dump();
  return ask({.method = "POST",
              .url = fmt::format("{}/api/v1{}", url_, path),
              .headers = {"Content-Type: application/json"},
              .body = text});
}

Json Remote::ask(HttpRequest request) {
  if (const auto token = token_of_user(); !token.empty()) {
    request.headers.push_back(fmt::format("Authorization: Bearer {}", token));
  }
  const auto answer = client_->send(request, {});
  if (!answer) {
    throw Error(Blame::external, fmt::format("{}: {}; is a pipeline running there? `millrace ps` "
                                             "lists those of this machine",
                                             url_, answer.error().text));
  }
  auto json = Json::parse(answer->body, nullptr, false);
  if (answer->is_good() && !json.is_discarded()) {
    return json;
  }
  if (!json.is_object() || !json.contains("message")) {
    throw Error(Blame::external,
                fmt::format("{} answers with status {} and no control API; check the address", url_,
                            answer->status));
  }
  const auto hint = answer->status == 401 ? std::string("set MILLRACE_TOKEN or MILLRACE_TOKEN_FILE")
                                          : json.value("hint", std::string());
  throw Error(Blame::user,
              fmt::format("{}{}{}", json.value("message", ""), hint.empty() ? "" : "; ", hint));
}

std::vector<RunningPipeline> running_pipelines(const std::string& url,
                                               std::vector<std::string>* silent) {
  std::vector<RunningPipeline> all;
  const auto add = [&](const std::string& at) {
    const auto remote = std::make_shared<Remote>(at);
    const auto pid = remote->get("/process").value("pid", std::int64_t{0});
    for (auto& summary : remote->get("/pipelines")) {
      all.push_back({.remote = remote, .pid = pid, .summary = std::move(summary)});
    }
  };
  if (!url.empty()) {
    add(url);
    return all;
  }
  for (const auto& process : control::registered()) {
    try {
      add(process.url);
    } catch (const Error& error) {
      auto text = fmt::format("process {} does not answer: {}", process.pid, error.what());
      if (silent != nullptr) {
        silent->push_back(std::move(text));
      } else {
        fmt::print(stderr, "note: {}\n", text);
      }
    }
  }
  return all;
}

RunningPipeline find_running(const RemoteOptions& options) {
  auto all = running_pipelines(options.url);
  if (!options.pipeline.empty()) {
    std::erase_if(
        all, [&](const auto& each) { return each.summary.value("id", "") != options.pipeline; });
  }
  if (all.empty()) {
    throw Error(Blame::user,
                options.pipeline.empty()
                    ? "no pipeline runs here; start one with `millrace run`, or give --url"
                    : fmt::format("no pipeline `{}` runs here; `millrace ps` lists those that do, "
                                  "--url reaches others",
                                  options.pipeline));
  }
  if (all.size() > 1) {
    throw Error(Blame::user,
                "several pipelines run; say which one (`millrace ps` lists them), and "
                "with --url where, if two have one name");
  }
  return std::move(all.front());
}

}  // namespace millrace::cli
