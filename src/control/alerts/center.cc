#include "control/alerts/center.h"

#include <fmt/core.h>

#include <algorithm>

namespace millrace::control {
namespace {

std::string folder_of_alerts(const PipelineSpec& spec) { return spec.checkpoint.path + "/alerts"; }

std::vector<std::string> names_of(const AlertsSpec& alerts) {
  std::vector<std::string> names;
  names.reserve(alerts.receivers.size());
  for (const AlertReceiverSpec& receiver : alerts.receivers) {
    names.push_back(receiver.name);
  }
  return names;
}

const AlertRuleSpec* rule_of(const AlertsSpec& alerts, const std::string& name) {
  const auto found = std::ranges::find(alerts.rules, name, &AlertRuleSpec::name);
  return found == alerts.rules.end() ? nullptr : &*found;
}

Finding::Severity severity_of(AlertSeverity severity) {
  return severity == AlertSeverity::critical  ? Finding::Severity::bad
         : severity == AlertSeverity::warning ? Finding::Severity::warn
                                              : Finding::Severity::info;
}

}  // namespace

AlertCenter::AlertCenter(Options options, const ConnectorList& connectors, const Clock& clock)
    : options_(std::move(options)),
      spec_(*options_.spec),
      clock_(clock),
      ledger_(folder_of_alerts(spec_), spec_.name, names_of(spec_.alerts)) {
  end_removed();
  start_receivers(connectors);
  std::vector<const AlertRuleSpec*> metrics;
  std::vector<const AlertRuleSpec*> queries;
  for (const AlertRuleSpec& rule : spec_.alerts.rules) {
    (rule.metric != nullptr ? metrics : queries).push_back(&rule);
  }
  for (auto* rules : {&metrics, &queries}) {
    if (!rules->empty()) {
      auto evaluator = std::make_unique<RuleEvaluator>(spec_, std::move(*rules), ledger_,
                                                       options_.event, clock.now_us());
      evaluator->give_findings(options_.findings);
      watchers_.push_back(
          std::make_unique<AlertWatcher>(std::move(evaluator), clock, options_.last_wait));
    }
  }
}

AlertCenter::~AlertCenter() {
  watchers_.clear();
  ledger_.wait_until_sent(std::chrono::steady_clock::now() + options_.last_wait);
  stop_.request_stop();
  for (const auto& delivery : deliveries_) {
    delivery->stop();
  }
}

/// Alerts that fired when the pipeline was stopped, and that its file does not have any more.
void AlertCenter::end_removed() {
  for (auto& [name, state, told, receivers] : ledger_.left()) {
    if (rule_of(spec_.alerts, name) != nullptr) {
      continue;
    }
    if (state.phase != AlertState::Phase::firing) {
      ledger_.note(name, {});
      continue;
    }
    std::erase_if(receivers, [&](const std::string& receiver) {
      const auto* spec = spec_.alerts.receiver(receiver);
      return spec == nullptr || !spec->send_resolved;
    });
    told.id = ledger_.next_id();
    told.state = AlertNotice::State::resolved;
    told.reminder = false;
    told.at_us = clock_.now_us();
    told.message = fmt::format("the pipeline has no alert {} any more", name);
    ledger_.note(name, {}, receivers, &told);
  }
}

void AlertCenter::start_receivers(const ConnectorList& connectors) {
  deliveries_.reserve(spec_.alerts.receivers.size());
  for (const AlertReceiverSpec& spec : spec_.alerts.receivers) {
    std::unique_ptr<AlertReceiver> receiver;
    switch (spec.kind) {
      case AlertReceiverSpec::Kind::log:
        receiver = make_log_receiver(spec_.name);
        break;
      case AlertReceiverSpec::Kind::webhook:
        receiver = make_webhook_receiver(spec.webhook);
        break;
      case AlertReceiverSpec::Kind::sink:
        receiver = make_sink_receiver(spec, {.spec = spec_,
                                             .connectors = connectors,
                                             .ledger = ledger_.id(),
                                             .folder = folder_of_alerts(spec_),
                                             .stop = stop_.get_token()});
        break;
    }
    deliveries_.push_back(
        std::make_unique<Delivery>(spec, std::move(receiver), ledger_, spec_.name, options_.pace));
  }
}

void AlertCenter::set_queries(const std::shared_ptr<AlertQueries>& queries) {
  for (const auto& watcher : watchers_) {
    watcher->set_queries(queries);
  }
}

void AlertCenter::opened(const Pipeline& /*pipeline*/) {
  if (std::exchange(was_lost_, false)) {
    for (const auto& watcher : watchers_) {
      watcher->tell({.at_us = clock_.now_us(), .restarted = true});
    }
  }
}

void AlertCenter::batch_committed(const BatchProgress& progress) {
  for (const auto& watcher : watchers_) {
    AlertNews news{.at_us = clock_.now_us(), .batch = progress.batch};
    const auto& rules = watcher->evaluator().rules();
    news.samples.reserve(rules.size());
    for (const AlertRuleSpec* rule : rules) {
      news.samples.push_back(
          rule->metric == nullptr ? AlertSample{} : sample_of(*rule, spec_, progress, news.at_us));
    }
    watcher->tell(std::move(news));
  }
}

void AlertCenter::state_changed(const HostStatus& status) {
  was_lost_ = was_lost_ || status.failure.has_value();
  for (const auto& watcher : watchers_) {
    watcher->tell({.at_us = clock_.now_us(), .state = std::string(run_state_word(status.state))});
  }
}

std::vector<AlertStatus> AlertCenter::status() const {
  std::vector<AlertStatus> found;
  for (const auto& watcher : watchers_) {
    auto some = watcher->evaluator().status();
    std::ranges::move(some, std::back_inserter(found));
  }
  std::vector<AlertStatus> all;
  all.reserve(found.size());
  for (const AlertRuleSpec& rule : spec_.alerts.rules) {
    const auto one = std::ranges::find(found, rule.name, &AlertStatus::name);
    all.push_back(std::move(*one));
  }
  return all;
}

std::vector<AlertReceiverStatus> AlertCenter::receivers() const {
  std::vector<AlertReceiverStatus> all;
  all.reserve(deliveries_.size());
  for (std::size_t i = 0; i < deliveries_.size(); i++) {
    const std::string& name = spec_.alerts.receivers[i].name;
    all.push_back({name, ledger_.counts(name), deliveries_[i]->trouble()});
  }
  return all;
}

OrderedJson AlertCenter::json() const {
  OrderedJson json = {{"alerts", OrderedJson::array()}, {"receivers", OrderedJson::array()}};
  const auto ms = [](std::int64_t us) {
    return us == 0 ? OrderedJson(nullptr) : OrderedJson(us / 1000);
  };
  for (const AlertStatus& alert : status()) {
    const AlertRuleSpec& rule = *rule_of(spec_.alerts, alert.name);
    json["alerts"].push_back(
        {{"name", alert.name},
         {"state", word_of(alert.state.phase)},
         {"severity", enum_word(alert.severity)},
         {"metric", rule.metric == nullptr ? OrderedJson(nullptr) : OrderedJson(rule.metric->name)},
         {"of", rule.of},
         {"value", alert.value},
         {"value_text", alert.value_text},
         {"threshold_text", rule.threshold_text()},
         {"since", ms(alert.state.since_us)},
         {"fired", ms(alert.state.fired_us)},
         {"looked", ms(alert.looked_us)},
         {"message", alert.message},
         {"trouble", alert.trouble}});
  }
  for (const AlertReceiverStatus& receiver : receivers()) {
    json["receivers"].push_back({{"name", receiver.name},
                                 {"waiting", receiver.counts.waiting},
                                 {"sent", receiver.counts.sent},
                                 {"given_up", receiver.counts.given_up},
                                 {"trouble", receiver.trouble}});
  }
  return json;
}

std::vector<Finding> AlertCenter::findings() const {
  auto all = status();
  std::erase_if(
      all, [](const AlertStatus& alert) { return alert.state.phase != AlertState::Phase::firing; });
  std::ranges::stable_sort(all, std::ranges::greater(), &AlertStatus::severity);
  std::vector<Finding> findings;
  findings.reserve(all.size());
  for (const AlertStatus& alert : all) {
    findings.push_back({.severity = severity_of(alert.severity),
                        .kind = "alert",
                        .of = "",
                        .pipeline = spec_.name,
                        .about = "alert " + alert.name,
                        .title = fmt::format("alert {}", alert.name),
                        .detail = alert.message,
                        .link = "",
                        .since_batch = alert.batch});
  }
  return findings;
}

}  // namespace millrace::control
