#include "control/server.h"

#include <fmt/format.h>

#include <utility>

namespace millrace::control {

ControlServer::ControlServer(Control& control, const ControlSpec& spec, Metrics& metrics) {
  constexpr int kPortsTried = 20;
  const int ports_tried = spec.has_address ? 0 : kPortsTried;
  auto options = spec.options.server;
  control.trust(options.cors_origins);
  options.open_paths = {"/healthz", "/readyz"};
  for (int i = 0;; i++) {
    try {
      server_ = std::make_unique<http::Server>(options, control.handler());
      const auto at = server_->start();
      url_ = fmt::format("{}://{}", options.tls ? "https" : "http", at.text());
      metrics_.emplace(metrics, "control", [this] { return server_->stats(); });
      return;
    } catch (const Error& error) {
      auto address = http::parse_address(options.listen);
      if (error.blame() != Blame::external || i >= ports_tried || !address || address->port == 0) {
        throw;
      }
      address->port++;
      options.listen = address->text();
    }
  }
}

ControlServer::~ControlServer() {
  registration_.reset();
  constexpr auto kLongest = std::chrono::milliseconds(500);
  server_->drain(kLongest);
  server_->stop();
}

void ControlServer::announce(const std::string& name, const std::vector<std::string>& pipelines) {
  try {
    registration_.emplace(url_, name, pipelines);
  } catch (const Error& error) {  // `--url` still reaches it
    Log().warn("`millrace ps` will not find this process: {}", error.what());
  }
}

}  // namespace millrace::control
