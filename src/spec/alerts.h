// `alerts:` of a pipeline file: what is watched, when somebody has to know of it, and how.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "base/options.h"
#include "spec/alert_metrics.h"
#include "spec/alert_template.h"
#include "spec/located_sql.h"

namespace millrace {

/// How bad it is when an alert fires. Decides about the level of its line in the log.
enum class AlertSeverity : std::uint8_t { info, warning, critical };
template <>
struct EnumNames<AlertSeverity> {
  using S = AlertSeverity;
  static constexpr EnumWord<S> kWords[] = {
      {S::info, "info"}, {S::warning, "warning"}, {S::critical, "critical"}};
};

/// How a value is compared with its threshold.
enum class AlertTest : std::uint8_t {
  any_row,  ///< of a query: it has rows
  above,
  below,
  equal,
};

/// What is watched, and from when on somebody has to know.
struct AlertRuleSpec {
  std::string name;
  Location at;
  const AlertMetric* metric = nullptr;  ///< nullptr: the rule has a query
  Location of_at;
  std::string of;  ///< a source, dataset, sink or `dataset.check`; empty: all
  SqlText query;
  AlertTest test = AlertTest::any_row;
  double threshold = 0;                             ///< in the metric's unit
  std::vector<std::string> words;                   ///< of `equal`, for the metric `state`
  std::chrono::milliseconds over{0};                ///< counts are summed over so long; 0: a batch
  std::chrono::milliseconds wait{0};                ///< `for`
  std::chrono::milliseconds keep_firing_for{0};     ///< after it has become false
  std::optional<std::chrono::milliseconds> every;   ///< none: see AlertsSpec
  std::optional<std::chrono::milliseconds> repeat;  ///< none: no reminders
  AlertSeverity severity = AlertSeverity::warning;
  std::vector<std::string> notify;  ///< names of receivers
  TextTemplate message;             ///< empty: one that says value and threshold
  std::vector<std::pair<std::string, std::string>> labels;

  /// The threshold as its unit is written: "10m", "100,000".
  [[nodiscard]] std::string threshold_text() const;
};

/// Where notices of a webhook go.
struct WebhookSpec {
  Secret url;         ///< it may hold a token, as those of chats do
  std::string shown;  ///< scheme and host, for messages
  std::vector<std::pair<std::string, Secret>> headers;
  std::optional<BodyTemplate> body;  ///< none: all that a notice has
  std::string ca_file;
  std::chrono::milliseconds timeout{10'000};
};

/// Who is told.
struct AlertReceiverSpec {
  enum class Kind : std::uint8_t { log, webhook, sink };
  std::string name;
  Location at;
  Kind kind = Kind::log;
  bool send_resolved = true;
  std::chrono::milliseconds retry_for{3'600'000};  ///< what could not be sent by then is given up
  WebhookSpec webhook;
  std::string connector;  ///< of a sink
  Node connection;
  Node options;
};

struct AlertsSpec {
  Location at;
  std::vector<AlertReceiverSpec> receivers;  ///< `log` is always among them, unless empty()
  std::vector<AlertRuleSpec> rules;
  /// Rules without an interval of their own are looked at after each batch, and after so long.
  std::chrono::milliseconds every{10'000};

  [[nodiscard]] bool empty() const noexcept { return rules.empty(); }
  [[nodiscard]] const AlertReceiverSpec* receiver(std::string_view name) const noexcept;
  /// Words of the queries, in lower case: whatever they read is among them.
  [[nodiscard]] std::vector<std::string> names() const;
};

}  // namespace millrace
