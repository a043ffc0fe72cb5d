#include "control/hosted_service.h"

#include <chrono>
#include <utility>

#include "base/log.h"

namespace millrace::control {

std::unique_ptr<HostedService> HostedService::start(const serve::ServiceParts& parts,
                                                    Metrics& metrics, Diagnostics& diagnostics) {
  auto service = serve::Service::make(parts, diagnostics);
  if (!service) {
    return nullptr;
  }
  service->start();
  return std::unique_ptr<HostedService>(new HostedService(parts.spec, std::move(service), metrics));
}

HostedService::HostedService(const PipelineSpec& spec, std::unique_ptr<serve::Service> service,
                             Metrics& metrics)
    : service_(std::move(service)),
      server_(spec.serve->server, *service_, service_->shaper()),
      url_((spec.serve->server.tls ? "https://" : "http://") + server_.start().text()),
      endpoint_metrics_(metrics, spec.name, *service_),
      server_metrics_(metrics, "serve/" + spec.name, [this] { return server_.stats(); }) {
  Log().with("pipeline", spec.name).info("serving at {}", url_);
}

HostedService::~HostedService() {
  constexpr std::chrono::seconds kDrain{5};
  server_.drain(kDrain);
}

}  // namespace millrace::control
