// What a server has done and has under way, for metrics.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::http {

/// Sums since the start, but for those that say `now`.
struct ServerStats {
  std::int64_t connections_accepted = 0;
  std::int64_t connections_refused = 0;  ///< there were too many
  std::int64_t connections_now = 0;
  std::int64_t requests = 0;  ///< answered
  /// Of them by the first digit of their status; [1] to [5].
  std::array<std::int64_t, 6> by_status_class{};
  std::int64_t in_flight_now = 0;    ///< requests that handlers work on
  std::int64_t streams_now = 0;      ///< event streams
  std::int64_t streams_cut_off = 0;  ///< clients that read too slowly
  std::int64_t bytes_in = 0;         ///< of requests, without TLS
  std::int64_t bytes_out = 0;
  std::int64_t tls_handshakes_failed = 0;
  std::int64_t rate_limited = 0;
  std::int64_t authentication_failures = 0;
  std::int64_t timeouts = 0;  ///< connections closed since nothing moved in time, idle ones aside
  std::int64_t log_lines_dropped = 0;  ///< of the access log, since they came too fast
};

}  // namespace millrace::http
