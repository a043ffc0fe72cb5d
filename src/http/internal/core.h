// What all threads of a server share. It outlives the server as long as somebody has yet to answer.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "http/access_log.h"
#include "http/authentication.h"
#include "http/cors.h"
#include "http/gzip.h"
#include "http/internal/request_reader.h"
#include "http/message.h"
#include "http/options.h"
#include "http/problem.h"
#include "http/rate_limit.h"

namespace millrace::http {

using Count = std::atomic<std::int64_t>;
using Steady = std::chrono::steady_clock;

/// What one thread has counted; all may read it. In cache lines of its own.
struct alignas(64) Counters {
  std::array<Count, 6> by_status_class{};
  Count bytes_in{0};
  Count bytes_out{0};
  Count tls_handshakes_failed{0};
  Count rate_limited{0};
  Count authentication_failures{0};
  Count timeouts{0};
  Count streams_cut_off{0};

  /// Only this thread adds: cheaper than an addition that many may do at once.
  static void add(Count& to, std::int64_t n) noexcept {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};

struct Core {
  Core(ServerOptions with, Handler& asked, ProblemShaper shaped_by);

  [[nodiscard]] Response problem(const Problem& what) const { return shaped(shape, what); }
  [[nodiscard]] bool is_open_path(std::string_view target) const noexcept;

  ServerOptions options;
  Handler& handler;
  ProblemShaper shape;
  Authentication authentication;
  Cors cors;
  std::optional<RateLimiter> limiter;
  CompressedBodies compressed;
  AccessLog access_log;
  RequestLimits limits;
  /// Whether only names of this machine may be in Host: without authentication, a page of a browser
  /// could otherwise reach us by a name of its own that it lets stand for 127.0.0.1.
  bool checks_host = false;

  Count connections_accepted{0};
  Count connections_refused{0};
  Count connections{0};
  Count farewells{0};  ///< of clients that are not taken
  Count in_flight{0};
  Count streams{0};
  Count body_bytes{0};  ///< of bodies that are being read
  std::atomic<bool> draining{false};

  void connection_gone() noexcept;
  std::mutex mutex;
  std::condition_variable none_left;  ///< no connection, while draining
};

}  // namespace millrace::http
