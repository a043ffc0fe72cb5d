// How endpoints did of late, second by second, as the contract of the control API has them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "control/companions.h"
#include "core/source.h"
#include "serve/stats.h"

namespace millrace::control {

/// Thread-safe.
class EndpointHistory {
 public:
  static constexpr std::size_t kSeconds = 60;

  /// The companions outlive it.
  explicit EndpointHistory(const Companions& companions) : companions_(companions) {}

  /// To be called once a second.
  void sample();
  /// All endpoints of all pipelines.
  [[nodiscard]] Json json() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Moment {
    Clock::time_point at;
    std::int64_t requests = 0;
    decltype(serve::EndpointStats::latency_buckets) buckets{};
  };
  using Moments = std::deque<Moment>;  // the oldest first

  struct Recent {
    std::vector<double> rates;                                ///< requests a second
    std::vector<double> p99_ms;                               ///< of each second
    double rate = 0;                                          ///< of the last seconds
    decltype(serve::EndpointStats::latency_buckets) buckets;  ///< of all of them
  };
  [[nodiscard]] Recent recent(const std::string& id, const serve::EndpointStats& stats) const;

  const Companions& companions_;
  mutable std::mutex lock_;                 // guards the map
  std::map<std::string, Moments> moments_;  // by pipeline and path
};

}  // namespace millrace::control
