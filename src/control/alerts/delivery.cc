#include "control/alerts/delivery.h"

#include <algorithm>

#include "base/fault.h"
#include "base/strings.h"

namespace millrace::control {

Delivery::Delivery(const AlertReceiverSpec& spec, std::unique_ptr<AlertReceiver> receiver,
                   AlertLedger& ledger, const std::string& pipeline, DeliveryPace pace)
    : spec_(spec),
      receiver_(std::move(receiver)),
      ledger_(ledger),
      pace_(pace),
      log_(Log().with("pipeline", pipeline)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Delivery::~Delivery() = default;

std::string Delivery::trouble() const {
  const std::lock_guard guard(lock_);
  return trouble_;
}

void Delivery::note(const std::string& trouble) {
  const std::lock_guard guard(lock_);
  trouble_ = trouble;
}

void Delivery::run(const std::stop_token& stop) {
  try {
    while (const auto waiting = ledger_.next(spec_.name, stop)) {
      deliver(*waiting, stop);
    }
  } catch (const Stopped&) {
    log_.debug("receiver {}: what is on its way is sent by the next start", spec_.name);
  }
}

std::optional<AlertReceiver::Trouble> Delivery::attempt(const AlertLedger::Waiting& waiting,
                                                        const std::stop_token& stop) {
  try {
    return receiver_->send(waiting.notice, waiting.number, stop);
  } catch (const Stopped&) {
    throw;
  } catch (const std::exception& error) {
    return AlertReceiver::Trouble{.text = error.what()};
  }
}

void Delivery::deliver(const AlertLedger::Waiting& waiting, const std::stop_token& stop) {
  const auto began = std::chrono::steady_clock::now();
  const AlertNotice& notice = waiting.notice;
  bool said = false;
  for (auto pause = pace_.first;; pause = std::min(pause * 2, pace_.longest)) {
    const auto trouble = attempt(waiting, stop);
    fault_point("alerts.sent");
    if (!trouble) {
      note("");
      ledger_.done(spec_.name, waiting.number, true);
      if (said) {
        log_.info("receiver {} has the notice of alert {} now", spec_.name, notice.alert);
      }
      return;
    }
    note(trouble->text);
    const auto wait = std::max(trouble->pause.value_or(pause), pace_.first);
    const bool too_long = std::chrono::steady_clock::now() - began + wait > spec_.retry_for;
    if (trouble->is_lasting || too_long) {
      log_.error("receiver {}: the notice of alert {} ({}) is given up{}: {}", spec_.name,
                 notice.alert, word_of(notice.state),
                 trouble->is_lasting ? "" : " after " + duration_text(spec_.retry_for),
                 trouble->text);
      ledger_.done(spec_.name, waiting.number, false);
      return;
    }
    if (!std::exchange(said, true)) {
      log_.warn("receiver {}: the notice of alert {} ({}) can't be sent yet: {}; going on trying",
                spec_.name, notice.alert, word_of(notice.state), trouble->text);
    }
    std::unique_lock guard(lock_);
    pause_.wait_for(guard, stop, wait, [] { return false; });
    if (stop.stop_requested()) {
      throw Stopped();
    }
  }
}

}  // namespace millrace::control
