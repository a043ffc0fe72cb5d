// The last batches of a pipeline, for what somebody should know of it.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control/findings.h"
#include "runtime/host.h"

namespace millrace::control {

/// Remembers the last batches of a host. Outlives the host's thread.
class RecentBatches final : public HostObserver {
 public:
  static constexpr std::size_t kMost = 300;

  explicit RecentBatches(std::string pipeline) : pipeline_(std::move(pipeline)) {}

  void batch_committed(const BatchProgress& progress) override { add(summary_of(progress)); }
  void batch_failed(const BatchProgress& progress) override { add(summary_of(progress)); }

  /// Any thread.
  [[nodiscard]] std::vector<Finding> findings(const FindingLimits& limits) const {
    std::vector<BatchSummary> batches;
    {
      const std::lock_guard guard(lock_);
      batches.assign(batches_.begin(), batches_.end());
    }
    return findings_of(pipeline_, batches, limits);
  }

 private:
  void add(BatchSummary summary) {
    const std::lock_guard guard(lock_);
    batches_.push_back(std::move(summary));
    if (batches_.size() > kMost) {
      batches_.pop_front();
    }
  }

  std::string pipeline_;
  mutable std::mutex lock_;
  std::deque<BatchSummary> batches_;
};

}  // namespace millrace::control
