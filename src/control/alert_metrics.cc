#include "control/alert_metrics.h"

#include <algorithm>
#include <utility>

namespace millrace::control {

AlertMetrics::AlertMetrics(Metrics& metrics, std::string pipeline, const HostedAlerts& alerts)
    : name_(std::move(pipeline)), alerts_(alerts), group_(metrics) {
  group_.on_scrape([this] { collect(); });
}

void AlertMetrics::collect() {
  const auto all = alerts_.status();
  const auto in = [&](AlertState::Phase phase) {
    return static_cast<double>(
        std::ranges::count(all, phase, [](const AlertStatus& alert) { return alert.state.phase; }));
  };
  pending_.set(in(AlertState::Phase::pending));
  firing_.set(in(AlertState::Phase::firing));
  AlertLedger::Counts sum;
  for (const auto& receiver : alerts_.receivers()) {
    sum.waiting += receiver.counts.waiting;
    sum.sent += receiver.counts.sent;
    sum.given_up += receiver.counts.given_up;
  }
  waiting_.set(static_cast<double>(sum.waiting));
  sent_.set(static_cast<double>(sum.sent));
  given_up_.set(static_cast<double>(sum.given_up));
}

}  // namespace millrace::control
