#include "serve/stats.h"

#include <algorithm>

namespace millrace::serve {

void EndpointCounters::count(int status, std::chrono::microseconds latency) noexcept {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (status >= 500) {
    server_errors_.fetch_add(1, kRelaxed);
  } else if (status >= 400) {
    client_errors_.fetch_add(1, kRelaxed);
  } else if (status == 304) {
    not_modified_.fetch_add(1, kRelaxed);
  }
  latency_us_.fetch_add(latency.count(), kRelaxed);
  const auto bucket = std::ranges::lower_bound(kLatencyBounds, latency.count());
  buckets_[static_cast<std::size_t>(bucket - kLatencyBounds.begin())].fetch_add(1, kRelaxed);
}

void AnswerSample::keep(const std::string& request, const std::string& reply) {
  wanted_.store(false, std::memory_order_relaxed);
  const std::lock_guard guard(lock_);
  request_ = request;
  reply_ = reply.substr(0, kReplyMax);
}

void AnswerSample::read(EndpointStats& into) const {
  const std::lock_guard guard(lock_);
  into.request = request_;
  into.reply = reply_;
  wanted_.store(true, std::memory_order_relaxed);
}

EndpointStats EndpointCounters::read(const std::string& path) const {
  EndpointStats stats{.path = path,
                      .client_errors = client_errors_,
                      .server_errors = server_errors_,
                      .not_modified = not_modified_,
                      .cache_hits = cache_hits_,
                      .rows = rows_,
                      .latency_us = latency_us_};
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    stats.latency_buckets[i] = buckets_[i];
    stats.requests += stats.latency_buckets[i];
  }
  return stats;
}

}  // namespace millrace::serve
