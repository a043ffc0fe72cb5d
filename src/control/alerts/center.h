// The alerts of one pipeline: watches it, and tells people.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "control/alerts/delivery.h"
#include "control/alerts/evaluator.h"
#include "control/alerts/ledger.h"
#include "control/alerts/watcher.h"
#include "control/findings.h"
#include "core/connector.h"
#include "runtime/host.h"

namespace millrace::control {

/// How a receiver does.
struct AlertReceiverStatus {
  std::string name;
  AlertLedger::Counts counts;
  std::string trouble;  ///< why it can't be told at the moment; empty: nothing is wrong
};

/// Watches a host, which has not started yet; made before it, and destroyed after it. What it is
/// told on the host's thread costs microseconds: rules are looked at on threads of its own (those
/// with queries on another one), and each receiver has one, too. What it knows is kept in the
/// folder `alerts` of the checkpoint.
class AlertCenter final : public HostObserver {
 public:
  struct Options {
    std::shared_ptr<const PipelineSpec> spec;  // shared with the host that runs it
    /// Hears of each alert that fires or is over, on a thread of its own; must not wait.
    RuleEvaluator::Event event;
    RuleEvaluator::Find findings;  ///< what rules of findings watch; empty: there are none
    DeliveryPace pace;
    /// How long the end waits for notices that are on their way; the rest is sent by the next
    /// start.
    std::chrono::milliseconds last_wait{5'000};
  };
  /// Connectors and clock outlive it. Throws Error: another process runs the pipeline.
  AlertCenter(Options options, const ConnectorList& connectors, const Clock& clock);
  /// Looks at everything once more, and stops.
  ~AlertCenter() override;

  /// Another one takes over: the end waits for no notices.
  void hand_over() noexcept { options_.last_wait = std::chrono::milliseconds(0); }
  /// Who answers the rules' queries from now on; nullptr: nobody, and these rules stay as they are.
  /// Returns when whoever did so before is not asked any more, after a last look at all rules.
  void set_queries(const std::shared_ptr<AlertQueries>& queries);

  void opened(const Pipeline& pipeline) override;
  void batch_committed(const BatchProgress& progress) override;
  void state_changed(const HostStatus& status) override;

  /// All rules, in the order of the file. Any thread.
  [[nodiscard]] std::vector<AlertStatus> status() const;
  [[nodiscard]] std::vector<AlertReceiverStatus> receivers() const;
  /// For the control API: {alerts: [...], receivers: [...]}.
  [[nodiscard]] OrderedJson json() const;
  /// What fires, worst first.
  [[nodiscard]] std::vector<Finding> findings() const;

 private:
  void end_removed();
  void start_receivers(const ConnectorList& connectors);

  Options options_;
  const PipelineSpec& spec_;
  const Clock& clock_;
  AlertLedger ledger_;
  std::stop_source stop_;  // of receivers that wait for a system
  std::vector<std::unique_ptr<Delivery>> deliveries_;
  std::vector<std::unique_ptr<AlertWatcher>> watchers_;
  bool was_lost_ = false;  // of the host's thread: the attempt before
};

}  // namespace millrace::control
