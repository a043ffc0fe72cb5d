// Sends the notices of one receiver, on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/log.h"
#include "control/alerts/ledger.h"
#include "control/alerts/receiver.h"

namespace millrace::control {

/// How long to wait before a notice is sent again: longer each time.
struct DeliveryPace {
  std::chrono::milliseconds first{1'000};
  std::chrono::milliseconds longest{60'000};
};

/// One notice after the other, each until the receiver has it, for as long as its `retry_for`. What
/// was given up is counted, and said as an error in the log.
class Delivery {
 public:
  /// The spec and the ledger outlive it.
  Delivery(const AlertReceiverSpec& spec, std::unique_ptr<AlertReceiver> receiver,
           AlertLedger& ledger, const std::string& pipeline, DeliveryPace pace);
  /// Stops it: what is not sent stays in the ledger.
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  void stop() { thread_.request_stop(); }
  /// Why the notice on its way was not taken so far; empty: nothing is wrong.
  [[nodiscard]] std::string trouble() const;

 private:
  void run(const std::stop_token& stop);
  void deliver(const AlertLedger::Waiting& waiting, const std::stop_token& stop);
  [[nodiscard]] std::optional<AlertReceiver::Trouble> attempt(const AlertLedger::Waiting& waiting,
                                                              const std::stop_token& stop);
  void note(const std::string& trouble);

  const AlertReceiverSpec& spec_;
  std::unique_ptr<AlertReceiver> receiver_;
  AlertLedger& ledger_;
  DeliveryPace pace_;
  Log log_;

  mutable std::mutex lock_;  // guards what follows
  std::condition_variable_any pause_;
  std::string trouble_;
  std::jthread thread_;  // the last: it uses all else
};

}  // namespace millrace::control
