#include "control/metrics_http.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "control/metric_specs.h"

namespace millrace::control {
namespace {

constexpr std::array<std::string_view, 6> kStatusClasses = {"other", "1xx", "2xx",
                                                            "3xx",   "4xx", "5xx"};

}  // namespace

void add_metrics_route(http::Router& router, const Metrics& metrics) {
  router.add("GET", "/metrics",
             [&metrics](const http::Request& request, const auto&, http::Responder respond) {
               const auto format = Metrics::format_for(request.header("accept"));
               auto text = std::make_shared<std::string>();
               metrics.write(*text, format);
               respond({.headers = {{"Content-Type", std::string(Metrics::content_type(format))},
                                    {"Cache-Control", "no-store"}},
                        .body = std::move(text)});
             });
}

struct ServerMetrics::Impl {
  Impl(Metrics& metrics, const std::string& name, std::function<http::ServerStats()> call)
      : group(metrics), server(name), stats(std::move(call)) {
    for (std::size_t i = 0; i < statuses.size(); i++) {
      statuses[i] = &group.series(metric::kHttpRequests, {server, kStatusClasses[i]});
    }
  }

  MetricSeries& refused(std::string_view reason) {
    return group.series(metric::kHttpRefused, {server, reason});
  }

  void collect() {
    const auto now = stats();
    for (std::size_t i = 0; i < statuses.size(); i++) {
      statuses[i]->set(static_cast<double>(now.by_status_class[i]));
    }
    const std::pair<MetricSeries&, std::int64_t> rest[] = {
        {connections, now.connections_now}, {in_flight, now.in_flight_now},
        {streams, now.streams_now},         {bytes_in, now.bytes_in},
        {bytes_out, now.bytes_out},         {too_many, now.connections_refused},
        {rate_limited, now.rate_limited},   {unknown, now.authentication_failures},
        {tls, now.tls_handshakes_failed},   {timeouts, now.timeouts},
        {slow, now.streams_cut_off}};
    for (const auto& [series, value] : rest) {
      series.set(static_cast<double>(value));
    }
  }

  MetricGroup group;
  std::string server;
  std::function<http::ServerStats()> stats;
  std::array<MetricSeries*, kStatusClasses.size()> statuses{};
  MetricSeries& connections = group.series(metric::kHttpConnections, {server});
  MetricSeries& in_flight = group.series(metric::kHttpInFlight, {server});
  MetricSeries& streams = group.series(metric::kHttpStreams, {server});
  MetricSeries& bytes_in = group.series(metric::kHttpBytes, {server, "in"});
  MetricSeries& bytes_out = group.series(metric::kHttpBytes, {server, "out"});
  MetricSeries& too_many = refused("connections");
  MetricSeries& rate_limited = refused("rate_limit");
  MetricSeries& unknown = refused("authentication");
  MetricSeries& tls = refused("tls");
  MetricSeries& timeouts = refused("timeout");
  MetricSeries& slow = refused("slow_stream");
};

ServerMetrics::ServerMetrics(Metrics& metrics, const std::string& server,
                             std::function<http::ServerStats()> stats)
    : impl_(std::make_unique<Impl>(metrics, server, std::move(stats))) {
  impl_->group.on_scrape([impl = impl_.get()] { impl->collect(); });
}

ServerMetrics::~ServerMetrics() = default;

struct EndpointMetrics::Impl {
  /// The series of one endpoint, in the order of ServiceStats.
  struct Of {
    MetricSeries& ok;
    MetricSeries& client_errors;
    MetricSeries& server_errors;
    MetricSeries& seconds;
    MetricSeries& rows;
    MetricSeries& hits;
    MetricSeries& not_modified;
  };

  Impl(Metrics& metrics, const std::string& of_pipeline, const serve::Service& of)
      : group(metrics), pipeline(of_pipeline), service(of) {
    const auto all = service.stats().endpoints;
    endpoints.reserve(all.size());
    for (const serve::EndpointStats& stats : all) {
      const auto& path = stats.path;
      const auto requests = [&](std::string_view result) -> MetricSeries& {
        return group.series(metric::kEndpointRequests, {pipeline, path, result});
      };
      endpoints.push_back({requests("ok"), requests("client_error"), requests("server_error"),
                           group.series(metric::kEndpointSeconds, {pipeline, path}),
                           group.series(metric::kEndpointRows, {pipeline, path}),
                           group.series(metric::kEndpointCacheHits, {pipeline, path}),
                           group.series(metric::kEndpointNotModified, {pipeline, path})});
    }
  }

  void collect() {
    const auto now = service.stats();
    for (std::size_t i = 0; i < now.endpoints.size(); i++) {
      const auto& stats = now.endpoints[i];
      const auto& to = endpoints[i];
      to.ok.set(static_cast<double>(stats.requests - stats.client_errors - stats.server_errors));
      to.client_errors.set(static_cast<double>(stats.client_errors));
      to.server_errors.set(static_cast<double>(stats.server_errors));
      std::array<std::uint64_t, serve::kLatencyBounds.size() + 1> counts{};
      std::ranges::copy(stats.latency_buckets, counts.begin());
      to.seconds.set(counts, static_cast<double>(stats.latency_us) / 1e6);
      to.rows.set(static_cast<double>(stats.rows));
      to.hits.set(static_cast<double>(stats.cache_hits));
      to.not_modified.set(static_cast<double>(stats.not_modified));
    }
    const std::pair<MetricSeries&, std::int64_t> rest[] = {
        {answer_bytes, now.cache_bytes}, {answers, now.cache_answers},
        {file_bytes, now.kept.bytes},    {files, now.kept.files},
        {files_found, now.kept.found},   {files_read, now.kept.read},
        {waiting, now.waiting},          {followers, now.followers}};
    for (const auto& [series, value] : rest) {
      series.set(static_cast<double>(value));
    }
  }

  MetricGroup group;
  std::string pipeline;
  const serve::Service& service;
  std::vector<Of> endpoints;
  MetricSeries& answer_bytes = group.series(metric::kServeKeptBytes, {pipeline, "answers"});
  MetricSeries& answers = group.series(metric::kServeKept, {pipeline, "answers"});
  MetricSeries& file_bytes = group.series(metric::kServeKeptBytes, {pipeline, "files"});
  MetricSeries& files = group.series(metric::kServeKept, {pipeline, "files"});
  MetricSeries& files_found = group.series(metric::kServeFileReads, {pipeline, "kept"});
  MetricSeries& files_read = group.series(metric::kServeFileReads, {pipeline, "read"});
  MetricSeries& waiting = group.series(metric::kServeWaiting, {pipeline});
  MetricSeries& followers = group.series(metric::kServeFollowers, {pipeline});
};

EndpointMetrics::EndpointMetrics(Metrics& metrics, const std::string& pipeline,
                                 const serve::Service& service)
    : impl_(std::make_unique<Impl>(metrics, pipeline, service)) {
  impl_->group.on_scrape([impl = impl_.get()] { impl->collect(); });
}

EndpointMetrics::~EndpointMetrics() = default;

void HostMetrics::opened(const Pipeline& pipeline) {
  (void)pipeline;
  if (std::exchange(opened_, true)) {
    pipeline_.restarted();
  }
}

void HostMetrics::state_changed(const HostStatus& status) {
  pipeline_.state(run_state_word(status.state));
  if (status.state == RunState::stopped || status.state == RunState::failed) {
    opened_ = false;
  }
}

}  // namespace millrace::control
