#include "http/rate_limit.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace millrace::http {

RateLimiter::RateLimiter(double per_second, std::size_t clients_max)
    : per_second_(per_second),
      burst_(std::max(1.0, 2 * per_second)),
      generation_max_(std::max<std::size_t>(1, clients_max / 2)) {}

std::size_t RateLimiter::clients() const {
  const std::lock_guard lock(mutex_);
  return newer_.size() + older_.size();
}

RateLimiter::Bucket& RateLimiter::bucket_of(std::string_view client, Time now) {
  if (const auto found = newer_.find(client); found != newer_.end()) {
    return found->second;
  }
  Bucket bucket{burst_, now};
  if (const auto found = older_.find(client); found != older_.end()) {
    bucket = found->second;
    older_.erase(found);
  }
  if (newer_.size() >= generation_max_) {
    older_ = std::exchange(newer_, {});
  }
  return newer_.emplace(client, bucket).first->second;
}

std::optional<std::chrono::milliseconds> RateLimiter::take(std::string_view client, Time now) {
  const std::lock_guard lock(mutex_);
  Bucket& bucket = bucket_of(client, now);
  const double elapsed_s = std::chrono::duration<double>(now - bucket.at).count();
  bucket.tokens = std::min(burst_, bucket.tokens + (std::max(0.0, elapsed_s) * per_second_));
  bucket.at = std::max(bucket.at, now);
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  const double wait_ms = std::ceil((1 - bucket.tokens) / per_second_ * 1000);
  return std::chrono::milliseconds(static_cast<std::int64_t>(wait_ms));
}

}  // namespace millrace::http
