// The last batches of a pipeline, for what somebody should know of it.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "control/findings.h"
#include "runtime/host.h"

namespace millrace::control {

/// Remembers the last batches of a host. Outlives the host's thread.
class RecentBatches final : public HostObserver {
 public:
  static constexpr std::size_t kMost = 300;

  /// The clock outlives it.
  RecentBatches(std::string pipeline, const Clock& clock)
      : pipeline_(std::move(pipeline)), clock_(clock) {}

  void batch_committed(const BatchProgress& progress) override { add(summary_of(progress)); }
  void batch_failed(const BatchProgress& progress) override { add(summary_of(progress)); }
  void phase_changed(std::int64_t batch, std::string_view phase) override {
    const auto now = clock_.now_us();
    const std::lock_guard guard(lock_);
    running_.try_emplace(batch, Running{.phase = {}, .since_us = now}).first->second.phase = phase;
  }
  void sink_troubled(const std::string& sink, const std::string& why) override {
    const auto now = clock_.now_us();
    const std::lock_guard guard(lock_);
    if (why.empty()) {
      troubles_.erase(sink);
    } else {
      troubles_.try_emplace(sink, Trouble{.why = {}, .since_us = now}).first->second.why = why;
    }
  }
  void state_changed(const HostStatus& status) override {
    if (status.state != RunState::running) {
      const std::lock_guard guard(lock_);
      running_.clear();
      troubles_.clear();
    }
  }

  /// Any thread.
  [[nodiscard]] std::vector<Finding> findings(const FindingLimits& limits) const {
    std::vector<BatchSummary> batches;
    std::optional<RunningBatch> running;
    {
      const std::lock_guard guard(lock_);
      batches.assign(batches_.begin(), batches_.end());
      if (!running_.empty()) {  // of two the first: the other one waits for it
        const auto& [batch, of] = *running_.begin();
        const auto now = clock_.now_us();
        running = {.batch = batch, .phase = of.phase, .us = now - of.since_us};
        for (const auto& [sink, trouble] : troubles_) {
          running->troubles.push_back({sink, trouble.why, now - trouble.since_us});
        }
      }
    }
    return findings_of(pipeline_, batches, limits, running);
  }

 private:
  void add(BatchSummary summary) {
    const std::lock_guard guard(lock_);
    running_.erase(running_.begin(), running_.upper_bound(summary.batch));
    troubles_.clear();  // those that go on are told of again
    batches_.push_back(std::move(summary));
    if (batches_.size() > kMost) {
      batches_.pop_front();
    }
  }

  struct Running {
    std::string phase;
    std::int64_t since_us = 0;
  };

  struct Trouble {
    std::string why;
    std::int64_t since_us = 0;
  };

  std::string pipeline_;
  const Clock& clock_;
  mutable std::mutex lock_;  // guards what follows
  std::deque<BatchSummary> batches_;
  std::map<std::int64_t, Running> running_;  ///< by batch: one may commit while the next one runs
  std::map<std::string, Trouble> troubles_;  ///< by sink
};

}  // namespace millrace::control
