#include "control/endpoint_history.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "spec/sql_text.h"

namespace millrace::control {
namespace {

using Buckets = decltype(serve::EndpointStats::latency_buckets);

std::string id_of(const std::string& pipeline, const std::string& path) {
  return pipeline + " " + path;
}

Buckets operator-(Buckets later, const Buckets& earlier) {
  std::ranges::transform(later, earlier, later.begin(), std::minus());
  return later;
}

/// The latency below which so many of some requests were, in milliseconds; 0: there were none.
double quantile_ms(const Buckets& buckets, double share) {
  std::int64_t all = 0;
  for (const auto count : buckets) {
    all += count;
  }
  std::int64_t below = 0;
  for (std::size_t i = 0; i < buckets.size() && all > 0; ++i) {
    below += buckets[i];
    if (static_cast<double>(below) >= share * static_cast<double>(all)) {
      const auto last = serve::kLatencyBounds.size() - 1;
      return static_cast<double>(serve::kLatencyBounds[std::min(i, last)]) / 1e3;
    }
  }
  return 0;
}

/// What of the pipeline an endpoint reads: names of datasets, sinks and sources.
std::string tables_of(const PipelineSpec& spec, const EndpointSpec& endpoint) {
  if (!endpoint.changes.empty()) {
    return endpoint.changes;
  }
  const auto words = scan_sql(endpoint.query.text).names;
  std::set<std::string> found;
  const auto add = [&](const auto& all) {
    for (const auto& each : all) {
      if (std::ranges::find(words, to_lower(each.name)) != words.end()) {
        found.insert(each.name);
      }
    }
  };
  add(spec.datasets);
  add(spec.sinks);
  add(spec.sources);
  return join(std::vector<std::string>(found.begin(), found.end()), ", ");
}

/// A request of late; or one made of the parameters' examples.
std::string example_of(const EndpointSpec& endpoint, const serve::EndpointStats& stats) {
  if (!stats.request.empty()) {
    return stats.request;
  }
  std::string path;
  for (const auto& segment : endpoint.segments) {
    const auto* parameter = segment.is_parameter ? endpoint.find(segment.text) : nullptr;
    path += '/';
    path += parameter != nullptr && !parameter->example.empty() ? parameter->example
            : segment.is_parameter                              ? "{" + segment.text + "}"
                                                                : segment.text;
  }
  return path.empty() ? "/" : path;
}

}  // namespace

void EndpointHistory::sample() {
  const auto now = Clock::now();
  std::set<std::string> there;
  const std::lock_guard guard(lock_);
  companions_.for_each_service([&](const auto& spec, const auto& hosted, const auto&) {
    for (const auto& stats : hosted.service().stats().endpoints) {
      const auto id = id_of(spec.name, stats.path);
      auto& moments = moments_[id];
      if (!moments.empty() && moments.back().requests > stats.requests) {
        moments.clear();  // the service was made anew
      }
      moments.push_back({now, stats.requests, stats.latency_buckets});
      if (moments.size() > kSeconds + 1) {
        moments.pop_front();
      }
      there.insert(id);
    }
  });
  std::erase_if(moments_, [&](const auto& each) { return !there.contains(each.first); });
}

EndpointHistory::Recent EndpointHistory::recent(const std::string& id,
                                                const serve::EndpointStats& stats) const {
  constexpr std::size_t kRateSeconds = 10;
  Recent recent{.buckets = stats.latency_buckets};
  const auto found = moments_.find(id);
  if (found == moments_.end()) {
    return recent;
  }
  const Moments& moments = found->second;
  recent.rates.reserve(moments.size());
  recent.p99_ms.reserve(moments.size());
  for (std::size_t i = 1; i < moments.size(); i++) {
    const auto& from = moments[i - 1];
    const auto& to = moments[i];
    const std::chrono::duration<double> took = to.at - from.at;
    recent.rates.push_back(static_cast<double>(to.requests - from.requests) /
                           std::max(took.count(), 1e-3));
    recent.p99_ms.push_back(quantile_ms(to.buckets - from.buckets, 0.99));
  }
  const auto counted = std::min(recent.rates.size(), kRateSeconds);
  for (std::size_t i = recent.rates.size() - counted; i < recent.rates.size(); i++) {
    recent.rate += recent.rates[i] / static_cast<double>(counted);
  }
  if (moments.back().requests > moments.front().requests) {
    recent.buckets = moments.back().buckets - moments.front().buckets;
  }
  return recent;
}

Json EndpointHistory::json() const {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  Json all = Json::array();
  const std::lock_guard guard(lock_);
  companions_.for_each_service([&](const auto& spec, const auto& hosted, const auto& version) {
    for (const auto& stats : hosted.service().stats().endpoints) {
      const auto& endpoint =
          *std::ranges::find(spec.serve->endpoints, stats.path, &EndpointSpec::path);
      const auto id = id_of(spec.name, stats.path);
      auto of_late = recent(id, stats);
      const auto requests = static_cast<double>(std::max<std::int64_t>(stats.requests, 1));
      const auto errors = static_cast<double>(stats.client_errors + stats.server_errors);
      all.push_back({{"id", id},
                     {"pipeline", spec.name},
                     {"method", "GET"},
                     {"path", stats.path},
                     {"url", hosted.url()},
                     {"table", tables_of(spec, endpoint)},
                     {"requests", stats.requests},
                     {"rps", of_late.rate},
                     {"p50", quantile_ms(of_late.buckets, 0.5)},
                     {"p99", quantile_ms(of_late.buckets, 0.99)},
                     {"err", errors / requests},
                     {"hit", static_cast<double>(stats.cache_hits) / requests},
                     {"at", version.batch},
                     {"age_ms", version.batch < 0 ? 0 : (now - version.time_us) / 1000},
                     {"rps_hist", std::move(of_late.rates)},
                     {"p99_hist", std::move(of_late.p99_ms)},
                     {"example", example_of(endpoint, stats)},
                     {"reply", stats.reply},
                     {"auth", spec.serve->server.users.empty() ? "none" : "required"},
                     {"buckets", stats.latency_buckets}});
    }
  });
  return all;
}

}  // namespace millrace::control
