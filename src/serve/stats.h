// What endpoints have answered, for metrics.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace millrace::serve {

/// Upper bounds of the buckets of latencies, in microseconds; the last bucket has no bound.
inline constexpr std::array<std::int64_t, 16> kLatencyBounds = {
    100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
    50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

/// Sums since the start.
struct EndpointStats {
  std::string path;
  std::int64_t requests = 0;       ///< answered
  std::int64_t client_errors = 0;  ///< of them with a status of 400 to 499
  std::int64_t server_errors = 0;  ///< and 500 and above
  std::int64_t not_modified = 0;
  std::int64_t cache_hits = 0;
  std::int64_t rows = 0;
  std::int64_t latency_us = 0;                                            ///< of all requests
  std::array<std::int64_t, kLatencyBounds.size() + 1> latency_buckets{};  ///< not cumulative
  /// A request of late that had an answer, and the beginning of that; empty: none yet.
  std::string request;
  std::string reply;
};

/// One answer now and then, for people to look at. Thread-safe; costs next to nothing.
class AnswerSample {
 public:
  static constexpr std::size_t kReplyMax = 2048;  ///< bytes that are kept

  /// Whether one is wanted: not more often than somebody takes it.
  [[nodiscard]] bool is_wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }
  void keep(const std::string& request, const std::string& reply);
  /// Gives the last one, and wants another one.
  void read(EndpointStats& into) const;

 private:
  mutable std::atomic<bool> wanted_{true};
  mutable std::mutex lock_;
  std::string request_;
  std::string reply_;
};

/// Counts for one endpoint. Thread-safe, without locks.
class EndpointCounters {
 public:
  void count(int status, std::chrono::microseconds latency) noexcept;
  void add_rows(std::int64_t rows) noexcept { rows_.fetch_add(rows, std::memory_order_relaxed); }
  void count_hit() noexcept { cache_hits_.fetch_add(1, std::memory_order_relaxed); }
  /// Each figure is right; together they may be of slightly different moments.
  [[nodiscard]] EndpointStats read(const std::string& path) const;

 private:
  using Counter = std::atomic<std::int64_t>;
  Counter client_errors_{0};
  Counter server_errors_{0};
  Counter not_modified_{0};
  Counter cache_hits_{0};
  Counter rows_{0};
  Counter latency_us_{0};
  std::array<Counter, kLatencyBounds.size() + 1> buckets_{};
};

}  // namespace millrace::serve
