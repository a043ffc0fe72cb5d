// What of alerts has to survive a restart: which of them fire, and the notices that are on their
// way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/log.h"
#include "control/alerts/notice.h"
#include "control/alerts/rule_state.h"

namespace millrace::control {

/// Kept in one file, `alerts.json` of its folder, which is replaced as a whole: when an alert
/// fires, or is over, its new state and the notices of it are there together or not at all. So a
/// firing alert is neither forgotten nor told of twice. Thread-safe.
class AlertLedger {
 public:
  /// Notices of one receiver that wait at most; then the oldest are given up.
  static constexpr std::size_t kWaitingMax = 256;

  /// Takes the folder's lock, and reads what is there; a damaged file is put aside with a warning.
  /// Throws Error: another process has it.
  AlertLedger(const std::string& folder, std::string pipeline, std::vector<std::string> receivers);
  AlertLedger(const AlertLedger&) = delete;
  AlertLedger& operator=(const AlertLedger&) = delete;

  /// Of this life of the ledger: another one is another file.
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

  /// An alert as it was left.
  [[nodiscard]] AlertState state_of(const std::string& alert) const;
  /// An alert that was left pending or firing.
  struct Left {
    std::string alert;
    AlertState state;
    AlertNotice told;                    ///< of one that fires
    std::vector<std::string> receivers;  ///< who were told
  };
  [[nodiscard]] std::vector<Left> left() const;
  /// An alert's new state, and what its receivers are told of it. Without a notice, it need not be
  /// on the disk at once.
  void note(const std::string& alert, const AlertState& state,
            const std::vector<std::string>& receivers = {}, const AlertNotice* notice = nullptr);
  /// A number for a notice's id.
  [[nodiscard]] std::string next_id();
  /// Writes what is not on the disk yet.
  void save();

  /// A notice and its number among those of its receiver: 0, 1, 2, ...
  struct Waiting {
    std::int64_t number = 0;
    AlertNotice notice;
  };
  /// Waits for a receiver's oldest notice; nullopt: a stop was requested.
  [[nodiscard]] std::optional<Waiting> next(const std::string& receiver, std::stop_token stop);
  /// It need not be sent any more: it was, or was given up.
  void done(const std::string& receiver, std::int64_t number, bool sent);
  /// Waits until there is nothing to be sent. False: there still was, then.
  bool wait_until_sent(std::chrono::steady_clock::time_point until);

  struct Counts {
    std::int64_t waiting = 0;
    std::int64_t sent = 0;      ///< by this process
    std::int64_t given_up = 0;  ///< by this process: not sent in time, or refused
  };
  [[nodiscard]] Counts counts(const std::string& receiver) const;

 private:
  struct Saved {
    AlertState state;
    std::optional<AlertNotice> told;
    std::vector<std::string> receivers;
  };
  struct Queue {
    std::int64_t next = 0;
    std::deque<Waiting> waiting;
    Counts counts;
  };

  void load();
  void read(const OrderedJson& json);
  [[nodiscard]] OrderedJson json() const;
  void write();
  void begin_anew();

  std::string path_;
  std::string pipeline_;
  Log log_;
  FileLock lock_file_;
  std::string id_;

  mutable std::mutex lock_;  // guards what follows
  std::condition_variable_any changed_;
  std::int64_t notices_ = 0;
  std::map<std::string, Saved> alerts_;
  std::map<std::string, Queue> queues_;
  bool dirty_ = false;
  bool in_trouble_ = false;  // the file can't be written
};

}  // namespace millrace::control
