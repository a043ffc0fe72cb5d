#include "control/operations.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "control/alert_metrics.h"
#include "control/findings_log.h"
#include "control/metrics_http.h"
#include "control/recent_batches.h"

namespace millrace::control {

/// What is counted and remembered of one host.
class Operations::Eye final : public HostObserver {
 public:
  Eye(Operations& of, PipelineHost& host)
      : metrics_(of.metrics_, host.name()),
        recent_(host.name(), of.clock_),
        alerts_(of.connectors_, of.clock_,
                [this](const FindingLimits& limits) { return recent_.findings(limits); }),
        alert_metrics_(of.metrics_, host.name(), alerts_) {
    host.observe(metrics_);
    host.observe(recent_);
    of.companions_.attach(host, alerts_);
  }
  [[nodiscard]] const HostedAlerts& alerts() const noexcept { return alerts_; }
  /// Of its last batches.
  [[nodiscard]] std::vector<Finding> findings(const Watched& of) const {
    const auto spec = of.host().spec();
    return recent_.findings(spec ? limits_of(*spec) : FindingLimits());
  }
  void log_findings(const Watched& of) {
    const auto log = Log().with("pipeline", of.name());
    for (const auto& [level, text] : log_.lines(findings(of))) {
      level == LogLevel::warn ? log.warn("{}", text) : log.info("{}", text);
    }
  }

 private:
  HostMetrics metrics_;
  RecentBatches recent_;
  FindingsLog log_;  // of the control's ticker
  HostedAlerts alerts_;
  AlertMetrics alert_metrics_;
};

Operations::Operations(const ConnectorList& connectors, const Clock& clock,
                       const std::string& version)
    : connectors_(connectors),
      clock_(clock),
      process_(metrics_, version),
      companions_(connectors, metrics_, version),
      endpoints_(companions_) {}

void Operations::join(Control& control) {
  add_metrics_route(control.router(), metrics_);
  control.give_endpoints([this] { return endpoints_.json(); });
  control.give_findings([this](const Watched& of) { return findings(of); });
  control.give_alerts([this](const Watched& of) {
    const auto eye = eye_of(of.name());
    return eye ? eye->alerts().json() : OrderedJson::object();
  });
  control.give_tables([this](const Watched& of) { return companions_.tables(of.name()); });
  control.give_asking([this](const Watched& of, http::Request request, http::Responder respond) {
    return companions_.ask(of.name(), std::move(request), std::move(respond));
  });
  control.each_second([this, &control, seconds = 0]() mutable {
    constexpr int kFindingsSeconds = 5;
    endpoints_.sample();
    if (++seconds % kFindingsSeconds == 0) {
      log_findings(control);
    }
  });
}

std::shared_ptr<HostObserver> Operations::watch(PipelineHost& host) {
  auto eye = std::make_shared<Eye>(*this, host);
  const std::lock_guard guard(lock_);
  eyes_[host.name()] = eye;
  return eye;
}

std::shared_ptr<Operations::Eye> Operations::eye_of(const std::string& pipeline) const {
  const std::lock_guard guard(lock_);
  const auto found = eyes_.find(pipeline);
  return found == eyes_.end() ? nullptr : found->second.lock();
}

Json Operations::findings(const Watched& of) const {
  const auto eye = eye_of(of.name());
  Json all = Json::array();
  if (!eye) {
    return all;
  }
  for (const auto& finding : eye->alerts().findings()) {
    all.push_back(finding_json(finding));
  }
  for (const auto& finding : eye->findings(of)) {
    all.push_back(finding_json(finding));
  }
  return all;
}

void Operations::log_findings(const Control& control) {
  for (const auto& watched : control.all()) {
    if (const auto eye = eye_of(watched->name())) {
      eye->log_findings(*watched);
    }
  }
}

}  // namespace millrace::control
