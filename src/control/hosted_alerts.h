// The alerts of a host's pipeline, as its file has them: each start of it may bring others.
#pragma once

#include <functional>
#include <memory>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "control/alerts/center.h"
#include "control/findings.h"
#include "core/connector.h"
#include "runtime/host.h"

namespace millrace::control {

/// Watches a host, which has not started yet, and ends after it. Thread-safe.
class HostedAlerts final : public HostObserver {
 public:
  /// What is found of the host's last batches. Any thread.
  using Find = std::function<std::vector<Finding>(const FindingLimits&)>;
  /// Connectors, clock and what `find` uses outlive it.
  HostedAlerts(const ConnectorList& connectors, const Clock& clock, Find find)
      : connectors_(connectors), clock_(clock), find_(std::move(find)) {}

  /// From now on the rules of this spec count. On the host's thread. Throws Error: another process
  /// runs the pipeline.
  void use(const std::shared_ptr<const PipelineSpec>& spec);
  /// Who answers the rules' queries from now on; nullptr: nobody. As
  /// AlertCenter::set_queries().
  void set_queries(const std::shared_ptr<AlertQueries>& queries);

  void opened(const Pipeline& pipeline) override;
  void batch_committed(const BatchProgress& progress) override;
  void state_changed(const HostStatus& status) override;

  /// {alerts: [...], receivers: [...]}
  [[nodiscard]] OrderedJson json() const;
  /// What fires, worst first.
  [[nodiscard]] std::vector<Finding> findings() const;
  [[nodiscard]] std::vector<AlertStatus> status() const;
  [[nodiscard]] std::vector<AlertReceiverStatus> receivers() const;

 private:
  const ConnectorList& connectors_;
  const Clock& clock_;
  Find find_;
  HostStatus status_;                         // of the host's thread
  mutable std::shared_mutex lock_;            // held by whoever uses the center
  std::shared_ptr<const PipelineSpec> spec_;  // shared with the host; nullptr: none yet
  std::unique_ptr<AlertCenter> center_;       // nullptr: there are no rules
};

}  // namespace millrace::control
