// The endpoints of a pipeline at an address, with their metrics.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/metrics.h"
#include "control/metrics_http.h"
#include "http/server.h"
#include "serve/service.h"

namespace millrace::control {

/// Serves from its making to its end, which lets requests under way be answered. Thread-safe.
class HostedService {
 public:
  /// nullptr: there was a mistake, which has been reported. Throws Error: the address is taken. The
  /// metrics outlive it, and the parts as ServiceParts says.
  [[nodiscard]] static std::unique_ptr<HostedService> start(const serve::ServiceParts& parts,
                                                            Metrics& metrics,
                                                            Diagnostics& diagnostics);
  ~HostedService();
  HostedService(const HostedService&) = delete;
  HostedService& operator=(const HostedService&) = delete;

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] const serve::Service& service() const noexcept { return *service_; }
  /// As a client, but past the server with its users and limits. Does not block.
  void ask(http::Request request, http::Responder respond) const {
    service_->handle(std::move(request), std::move(respond));
  }

 private:
  HostedService(const PipelineSpec& spec, std::unique_ptr<serve::Service> service,
                Metrics& metrics);

  std::unique_ptr<serve::Service> service_;
  http::Server server_;  // asks the service
  std::string url_;
  EndpointMetrics endpoint_metrics_;
  ServerMetrics server_metrics_;
};

}  // namespace millrace::control
