// Who is told of alerts, and how.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "control/alerts/notice.h"
#include "core/connector.h"
#include "spec/pipeline.h"

namespace millrace::control {

/// Takes notices, one at a time, on a thread of its own.
class AlertReceiver {
 public:
  /// Why a notice was not taken.
  struct Trouble {
    std::string text;                                ///< without secrets
    bool is_lasting = false;                         ///< it would never be taken
    std::optional<std::chrono::milliseconds> pause;  ///< how long the other side asks us to wait
  };
  virtual ~AlertReceiver() = default;
  /// nullopt: it has the notice. `number`: of the receiver's notices, each of which is one higher;
  /// a notice that is sent again has the same. Throws Stopped.
  [[nodiscard]] virtual std::optional<Trouble> send(const AlertNotice& notice, std::int64_t number,
                                                    const std::stop_token& stop) = 0;
};

/// What a receiver of rows gets to know.
struct AlertSinkPlace {
  const PipelineSpec& spec;
  const ConnectorList& connectors;
  std::string ledger;  ///< AlertLedger::id()
  std::string folder;  ///< for what the sink keeps
  std::stop_token stop;
};

[[nodiscard]] std::unique_ptr<AlertReceiver> make_log_receiver(const std::string& pipeline);
[[nodiscard]] std::unique_ptr<AlertReceiver> make_webhook_receiver(const WebhookSpec& spec);
/// Nothing is asked before the first notice. `place` has to outlive it, but for what it copies.
[[nodiscard]] std::unique_ptr<AlertReceiver> make_sink_receiver(const AlertReceiverSpec& spec,
                                                                AlertSinkPlace place);

/// The columns of notices that are written as rows.
[[nodiscard]] Schema alert_columns();

}  // namespace millrace::control
