// Alerts as lines of the log.
#include "base/log.h"
#include "control/alerts/receiver.h"

namespace millrace::control {
namespace {

class LogReceiver final : public AlertReceiver {
 public:
  explicit LogReceiver(const std::string& pipeline) : log_(Log().with("pipeline", pipeline)) {}

  std::optional<Trouble> send(const AlertNotice& notice, std::int64_t /*number*/,
                              const std::stop_token& /*stop*/) override {
    if (notice.state == AlertNotice::State::resolved) {
      log_.info("alert {} is over: {}", notice.alert, notice.message);
      return std::nullopt;
    }
    const char* fires = notice.reminder ? "is still firing" : "fires";
    switch (notice.severity) {
      case AlertSeverity::critical:
        log_.error("alert {} {}: {}", notice.alert, fires, notice.message);
        break;
      case AlertSeverity::warning:
        log_.warn("alert {} {}: {}", notice.alert, fires, notice.message);
        break;
      case AlertSeverity::info:
        log_.info("alert {} {}: {}", notice.alert, fires, notice.message);
        break;
    }
    return std::nullopt;
  }

 private:
  Log log_;
};

}  // namespace

std::unique_ptr<AlertReceiver> make_log_receiver(const std::string& pipeline) {
  return std::make_unique<LogReceiver>(pipeline);
}

}  // namespace millrace::control
