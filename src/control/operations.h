// What stands around the pipelines of a process for those who operate it: services, alerts, metrics
// and findings, and the control API's answers about them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "control/companions.h"
#include "control/control.h"
#include "control/endpoint_history.h"
#include "control/metrics.h"
#include "core/connector.h"
#include "runtime/host.h"

namespace millrace::control {

/// Thread-safe. Outlives the hosts, and the control that it joins.
class Operations {
 public:
  /// Connectors and clock outlive it. `version`: of millrace.
  Operations(const ConnectorList& connectors, const Clock& clock, const std::string& version);

  /// Adds GET /metrics, endpoints, findings and alerts to a control that is not served yet.
  void join(Control& control);

  /// Watches a host that has not started. What it gives is kept until the host has ended.
  [[nodiscard]] std::shared_ptr<HostObserver> watch(PipelineHost& host);

  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }
  [[nodiscard]] const Companions& companions() const noexcept { return companions_; }

 private:
  class Eye;

  [[nodiscard]] std::shared_ptr<Eye> eye_of(const std::string& pipeline) const;
  [[nodiscard]] Json findings(const Watched& of) const;
  /// Logs what is found of pipelines that was not before, and what is over.
  void log_findings(const Control& control);

  const ConnectorList& connectors_;
  const Clock& clock_;
  Metrics metrics_{declared_metrics()};
  ProcessMetrics process_;
  Companions companions_;
  EndpointHistory endpoints_;
  mutable std::mutex lock_;                         // guards the map
  std::map<std::string, std::weak_ptr<Eye>> eyes_;  // kept by whoever keeps the host
};

}  // namespace millrace::control
