// A thread that looks at rules: when something has happened, and from time to time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "control/alerts/evaluator.h"

namespace millrace::control {

/// What a pipeline tells of itself.
struct AlertNews {
  std::int64_t at_us = 0;
  std::int64_t batch = -1;           ///< that was committed; -1: none
  std::vector<AlertSample> samples;  ///< of the batch, for each rule
  std::string state;                 ///< that the pipeline is in from now on; empty: as before
  bool restarted = false;
};

/// Owns an evaluator. Whoever has news leaves it here and goes on.
class AlertWatcher {
 public:
  /// News that waits at most; then batches are put together.
  static constexpr std::size_t kNewsMax = 1024;

  /// `last_wait`: how long the end waits for queries.
  AlertWatcher(std::unique_ptr<RuleEvaluator> evaluator, const Clock& clock,
               std::chrono::milliseconds last_wait);
  /// Looks at all that has happened, and at all rules once more.
  ~AlertWatcher();
  AlertWatcher(const AlertWatcher&) = delete;
  AlertWatcher& operator=(const AlertWatcher&) = delete;

  void tell(AlertNews news);
  /// Looks at everything once more with those who answered before, and returns when they are not
  /// asked any more.
  void set_queries(std::shared_ptr<AlertQueries> queries);
  [[nodiscard]] const RuleEvaluator& evaluator() const noexcept { return *evaluator_; }

 private:
  void run(const std::stop_token& stop);
  void take_in(const AlertNews& news);

  std::unique_ptr<RuleEvaluator> evaluator_;
  const Clock& clock_;
  std::chrono::milliseconds last_wait_;

  std::mutex lock_;  // guards what follows
  std::condition_variable_any told_;
  std::stop_source give_up_;      // of queries
  bool has_new_queries_ = false;  // which the thread has not taken yet
  bool ended_ = false;
  std::deque<AlertNews> news_;
  std::shared_ptr<AlertQueries> queries_;  // shared with who made them
  std::jthread thread_;                    // the last: it uses all else
};

}  // namespace millrace::control
