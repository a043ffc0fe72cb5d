// Metrics of what is served, and how they are served themselves.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "control/metrics.h"
#include "http/router.h"
#include "http/stats.h"
#include "runtime/host.h"
#include "serve/service.h"

namespace millrace::control {

/// Adds GET /metrics, in the format that a client asks for. The metrics outlive the router.
void add_metrics_route(http::Router& router, const Metrics& metrics);

/// What an HTTP server counts. `stats` is called by whoever scrapes, for as long as this lives.
class ServerMetrics {
 public:
  /// `server`: which one: "control", "metrics", "serve/shop".
  ServerMetrics(Metrics& metrics, const std::string& server,
                std::function<http::ServerStats()> stats);
  ~ServerMetrics();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What the endpoints of a pipeline have answered. The service outlives it.
class EndpointMetrics {
 public:
  EndpointMetrics(Metrics& metrics, const std::string& pipeline, const serve::Service& service);
  ~EndpointMetrics();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The metrics of a host's pipeline. Outlives the host's thread.
class HostMetrics final : public HostObserver {
 public:
  HostMetrics(Metrics& metrics, std::string pipeline) : pipeline_(metrics, std::move(pipeline)) {}

  void opened(const Pipeline& pipeline) override;
  void batch_committed(const BatchProgress& progress) override { pipeline_.batch(progress); }
  void batch_failed(const BatchProgress& progress) override { pipeline_.batch(progress); }
  void state_changed(const HostStatus& status) override;

 private:
  PipelineMetrics pipeline_;
  bool opened_ = false;  ///< since the last start
};

}  // namespace millrace::control
