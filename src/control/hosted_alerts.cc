#include "control/hosted_alerts.h"

#include <utility>

namespace millrace::control {

void HostedAlerts::use(const std::shared_ptr<const PipelineSpec>& spec) {
  const std::unique_lock guard(lock_);
  if (std::exchange(spec_, spec) == spec) {
    return;  // another attempt of the same start
  }
  if (center_) {
    center_->hand_over();
    center_.reset();  // before the next one takes over what is kept of it
  }
  if (!spec->alerts.empty()) {
    center_ = std::make_unique<AlertCenter>(
        AlertCenter::Options{.spec = spec,
                             .findings = [this, spec] { return find_(limits_of(*spec)); }},
        connectors_, clock_);
    center_->state_changed(status_);
  }
}

void HostedAlerts::set_queries(const std::shared_ptr<AlertQueries>& queries) {
  const std::shared_lock guard(lock_);
  if (center_) {
    center_->set_queries(queries);
  }
}

void HostedAlerts::opened(const Pipeline& pipeline) {
  const std::shared_lock guard(lock_);
  if (center_) {
    center_->opened(pipeline);
  }
}

void HostedAlerts::batch_committed(const BatchProgress& progress) {
  const std::shared_lock guard(lock_);
  if (center_) {
    center_->batch_committed(progress);
  }
}

void HostedAlerts::state_changed(const HostStatus& status) {
  status_ = status;
  const std::shared_lock guard(lock_);
  if (center_) {
    center_->state_changed(status);
  }
}

OrderedJson HostedAlerts::json() const {
  const std::shared_lock guard(lock_);
  return center_
             ? center_->json()
             : OrderedJson{{"alerts", OrderedJson::array()}, {"receivers", OrderedJson::array()}};
}

std::vector<Finding> HostedAlerts::findings() const {
  const std::shared_lock guard(lock_);
  return center_ ? center_->findings() : std::vector<Finding>();
}

std::vector<AlertStatus> HostedAlerts::status() const {
  const std::shared_lock guard(lock_);
  return center_ ? center_->status() : std::vector<AlertStatus>();
}

std::vector<AlertReceiverStatus> HostedAlerts::receivers() const {
  const std::shared_lock guard(lock_);
  return center_ ? center_->receivers() : std::vector<AlertReceiverStatus>();
}

}  // namespace millrace::control
