#include "control/metrics_server.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/error.h"
#include "control/metrics_http.h"
#include "http/router.h"
#include "http/server.h"

namespace millrace::control {
namespace {

http::ServerOptions options_of(const std::string& listen) {
  if (!http::parse_address(listen)) {
    throw Error(Blame::user, fmt::format("`{}` is no address to serve metrics at; write it as "
                                         "127.0.0.1:9187 or 0.0.0.0:9187",
                                         listen));
  }
  http::ServerOptions options;
  options.listen = listen;
  options.threads = 1;
  options.max_connections = 64;
  // Metrics hold counts and names, and no rows; who names an open address means it.
  options.allow_public_without_authentication = true;
  return options;
}

}  // namespace

struct MetricsServer::Impl {
  Impl(const std::string& listen, Metrics& metrics)
      : server(options_of(listen), router),
        served(metrics, "metrics", [this] { return server.stats(); }) {
    add_metrics_route(router, metrics);
    router.add("GET", "/healthz", [](const auto&, const auto&, http::Responder respond) {
      respond({.headers = {{"Content-Type", "text/plain; charset=utf-8"}},
               .body = std::make_shared<const std::string>("ok\n")});
    });
  }

  http::Router router;
  http::Server server;
  http::Address address;
  ServerMetrics served;  // gone before the server that it asks
};

MetricsServer::MetricsServer(const std::string& listen, Metrics& metrics)
    : impl_(std::make_unique<Impl>(listen, metrics)) {
  impl_->address = impl_->server.start();
}

MetricsServer::~MetricsServer() { impl_->server.stop(); }

std::string MetricsServer::url() const { return "http://" + impl_->address.text(); }

}  // namespace millrace::control
