// Metrics of a pipeline's alerts.
#pragma once

#include <string>

#include "base/metrics.h"
#include "control/hosted_alerts.h"
#include "control/metric_specs.h"

namespace millrace::control {

/// Read whenever somebody scrapes. Metrics and alerts outlive it.
class AlertMetrics {
 public:
  AlertMetrics(Metrics& metrics, std::string pipeline, const HostedAlerts& alerts);

 private:
  void collect();

  std::string name_;
  const HostedAlerts& alerts_;
  MetricGroup group_;
  MetricSeries& pending_ = group_.series(metric::kAlerts, {name_, "pending"});
  MetricSeries& firing_ = group_.series(metric::kAlerts, {name_, "firing"});
  MetricSeries& waiting_ = group_.series(metric::kAlertNoticesWaiting, {name_});
  MetricSeries& sent_ = group_.series(metric::kAlertNotices, {name_, "sent"});
  MetricSeries& given_up_ = group_.series(metric::kAlertNotices, {name_, "given_up"});
};

}  // namespace millrace::control
