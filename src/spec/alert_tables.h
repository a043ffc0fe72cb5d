// The options of `alerts:`, each declared once.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "spec/alerts.h"

namespace millrace {

/// Receivers that are no connection of the pipeline.
enum class ReceiverType : std::uint8_t { webhook, log };
template <>
struct EnumNames<ReceiverType> {
  static constexpr EnumWord<ReceiverType> kWords[] = {{ReceiverType::webhook, "webhook"},
                                                      {ReceiverType::log, "log"}};
};

struct AlertsOptions {
  Node receivers;
  std::vector<std::string> notify{"log"};
  std::chrono::milliseconds every{10'000};
  std::optional<std::chrono::milliseconds> repeat;
  std::vector<std::pair<std::string, std::string>> labels;
  Node rules;
};

/// What all receivers have.
struct ReceiverOptions {
  ReceiverType type = ReceiverType::webhook;
  Node to;
  bool send_resolved = true;
  std::chrono::milliseconds retry_for{3'600'000};
};

struct WebhookOptions {
  Node url;
  Node headers;
  Node body;
  std::string ca_file;
  std::chrono::milliseconds timeout{10'000};
};

struct AlertRuleOptions {
  std::string name;
  std::string metric;
  std::string finding;
  std::string of;
  Node query;
  Node above;
  Node below;
  Node equal;
  std::optional<std::chrono::milliseconds> over;
  std::chrono::milliseconds wait{0};
  std::chrono::milliseconds keep_firing_for{0};
  std::optional<std::chrono::milliseconds> every;
  std::optional<std::chrono::milliseconds> repeat;
  AlertSeverity severity = AlertSeverity::warning;
  std::vector<std::string> notify;
  Node message;
  std::vector<std::pair<std::string, std::string>> labels;
};

[[nodiscard]] OptionTable<AlertsOptions> alerts_table();
[[nodiscard]] OptionTable<ReceiverOptions> receiver_table();
[[nodiscard]] OptionTable<WebhookOptions> webhook_table();
[[nodiscard]] OptionTable<AlertRuleOptions> alert_rule_table();

}  // namespace millrace
