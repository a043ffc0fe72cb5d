// How many requests a second somebody may make.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace millrace::http {

/// A token bucket for each client: so many requests a second, and twice as many at once. Remembers
/// a bounded number of clients: those that have not asked for longest are forgotten, and begin with
/// a full bucket. Thread-safe.
class RateLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  RateLimiter(double per_second, std::size_t clients_max);

  /// How long the client has to wait; nullopt: it may ask now.
  [[nodiscard]] std::optional<std::chrono::milliseconds> take(std::string_view client, Time now);
  [[nodiscard]] std::size_t clients() const;

 private:
  struct Bucket {
    double tokens;
    Time at;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Buckets = std::unordered_map<std::string, Bucket, Hash, std::equal_to<>>;
  Bucket& bucket_of(std::string_view client, Time now);

  double per_second_;
  double burst_;
  std::size_t generation_max_;
  mutable std::mutex mutex_;
  // Who asks moves into the newer half; when that is full, the older one is forgotten.
  Buckets newer_;
  Buckets older_;
};

}  // namespace millrace::http
