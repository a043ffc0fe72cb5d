#include "http/server.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "http/header_values.h"
#include "http/internal/core.h"
#include "http/internal/tls.h"
#include "http/internal/worker.h"

namespace millrace::http {
namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kTlsLook{1};
constexpr int kBacklog = 1024;
constexpr std::chrono::milliseconds kFarewell{1'000};
/// Beyond as many at once, clients that are not taken may lose what they are told.
constexpr std::int64_t kFarewellsMax = 200;

/// What a connection gets that is one too many, as it goes over the wire.
std::string too_many(const Core& core) {
  const Response response = core.problem(
      {.status = 503, .code = "too_many_connections", .message = "too many connections now"});
  const std::string body = response.body ? *response.body : "";
  return fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nServer: millrace\r\nRetry-After: 1\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      body.size(), body);
}

/// What tells one version of a file from another.
using FileVersion = std::array<std::int64_t, 4>;

FileVersion version_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return {};
  }
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size,
          static_cast<std::int64_t>(status.st_ino)};
}

Address address_of(const Tcp::endpoint& endpoint) {
  return {endpoint.address().to_string(), endpoint.port()};
}

/// Tells a client that is not taken so, and waits, not for long, until it has heard that.
class Farewell final : public TransportUser, public std::enable_shared_from_this<Farewell> {
 public:
  Farewell(std::shared_ptr<Core> core, asio::io_context& io, Tcp::socket socket)
      : core_(std::move(core)), timer_(io), transport_(make_plain_transport(std::move(socket))) {}

  void say(std::string_view text) {
    bool good = true;  // the bytes fit into the empty buffer of the socket
    (void)transport_->write_now(std::array{text}, good);
    transport_->finish(shared_from_this());
    timer_.expires_after(kFarewell);
    timer_.async_wait([of = weak_from_this()](const error_code& stopped) {
      if (const auto self = of.lock(); self && !stopped) {
        self->transport_->close();
      }
    });
  }
  void on_finished() override {
    timer_.cancel();
    core_->farewells.fetch_sub(1);
  }

 private:
  void on_ready(bool /*good*/) override {}
  void on_read(std::size_t /*bytes*/, bool /*good*/) override {}
  void on_written(std::size_t /*bytes*/, bool /*good*/) override {}

  std::shared_ptr<Core> core_;
  asio::steady_timer timer_;
  std::unique_ptr<Transport> transport_;
};

[[noreturn]] void refuse(const std::string& text) { throw Error(Blame::user, text); }

void check(const ServerOptions& options) {
  if (!parse_address(options.listen)) {
    refuse(fmt::format("`{}` is no address and port; write it as 127.0.0.1:8080 or [::1]:8080",
                       options.listen));
  }
  if (options.is_open_to_everybody()) {
    refuse(
        fmt::format("listening on {} would let other machines ask, and nobody has to say who "
                    "they are; {}",
                    options.listen, kWayOutOfOpen));
  }
  if (options.cors_credentials &&
      std::ranges::find(options.cors_origins, "*") != options.cors_origins.end()) {
    refuse("`cors_credentials` cannot go with the origin `*`; name the origins");
  }
  for (const auto& [name, value] : options.headers) {
    if (!is_header_name(name) || !is_header_value(value)) {
      refuse(fmt::format("`{}` is no header that can be sent", name));
    }
  }
}

}  // namespace

class Server::Impl {
 public:
  Impl(ServerOptions options, Handler& handler, ProblemShaper shape)
      : core_(std::make_shared<Core>(std::move(options), handler, std::move(shape))) {}
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Address start();
  bool drain(std::chrono::milliseconds longest);
  void stop();
  void reload_tls();
  [[nodiscard]] ServerStats stats() const;

 private:
  void listen();
  Tcp::endpoint resolve();
  void accept();
  void accepted(const error_code& error, Tcp::socket socket, Worker& worker);
  void refuse_connection(Tcp::socket socket, Worker& worker);
  void look_after_tls();
  Worker& least_loaded();
  [[nodiscard]] std::shared_ptr<TlsContext> tls() const;
  void close_acceptor();

  std::shared_ptr<Core> core_;
  std::string too_many_;  // made once: connections may be refused often
  std::vector<std::unique_ptr<Worker>> workers_;
  std::optional<Tcp::acceptor> acceptor_;  // of the first worker's thread
  std::optional<asio::steady_timer> pause_;
  std::optional<asio::steady_timer> tls_look_;
  std::mutex running_mutex_;
  bool running_ = false;
  mutable std::mutex tls_mutex_;
  std::shared_ptr<TlsContext> tls_;
  std::array<FileVersion, 2> tls_versions_{};
};

Address Server::Impl::start() {
  const std::lock_guard lock(running_mutex_);
  check(core_->options);
  too_many_ = too_many(*core_);
  reload_tls();
  for (std::int64_t i = 0; i < std::max<std::int64_t>(1, core_->options.threads); ++i) {
    workers_.push_back(std::make_unique<Worker>(core_));
  }
  listen();
  core_->checks_host =
      !core_->authentication.is_needed() && !core_->options.allow_public_without_authentication;
  const Address address = address_of(acceptor_->local_endpoint());
  accept();
  if (core_->options.tls) {
    tls_look_.emplace(workers_.front()->io());
    look_after_tls();
  }
  for (const auto& worker : workers_) {
    worker->start();
  }
  running_ = true;
  return address;
}

Tcp::endpoint Server::Impl::resolve() {
  const Address wanted = *parse_address(core_->options.listen);
  error_code error;
  if (wanted.host.empty()) {
    return {Tcp::v6(), wanted.port};  // takes IPv4, too
  }
  const std::string host = wanted.host == "localhost" ? "127.0.0.1" : wanted.host;
  const auto literal = asio::ip::make_address(host, error);
  if (!error) {
    return {literal, wanted.port};
  }
  Tcp::resolver resolver(workers_.front()->io());
  const auto found =
      resolver.resolve(host, std::to_string(wanted.port), Tcp::resolver::passive, error);
  if (error || found.empty()) {
    throw Error(Blame::external,
                fmt::format("cannot listen on {}: {}; give an address of this machine",
                            core_->options.listen, error.message()));
  }
  return found.begin()->endpoint();
}

void Server::Impl::listen() {
  Tcp::endpoint endpoint = resolve();
  acceptor_.emplace(workers_.front()->io());
  error_code error;
  (void)acceptor_->open(endpoint.protocol(), error);
  if (error && endpoint.address().is_unspecified()) {
    endpoint = {Tcp::v4(), endpoint.port()};  // a machine without IPv6
    (void)acceptor_->open(endpoint.protocol(), error);
  }
  error_code ignored;
  (void)acceptor_->set_option(Tcp::acceptor::reuse_address(true), ignored);
  if (endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
    (void)acceptor_->set_option(asio::ip::v6_only(false), ignored);
  }
  if (!error) {
    (void)acceptor_->bind(endpoint, error);
  }
  if (!error) {
    (void)acceptor_->listen(kBacklog, error);
  }
  if (error) {
    acceptor_.reset();
    workers_.clear();
    const bool is_taken = error == asio::error::address_in_use;
    throw Error(Blame::external,
                fmt::format("cannot listen on {}: {}; {}", core_->options.listen, error.message(),
                            is_taken ? "another program does; stop it, or choose another port"
                                     : "give an address of this machine, and a port above 1023"),
                is_taken ? Retry::yes : Retry::no);
  }
}

Worker& Server::Impl::least_loaded() {
  return **std::ranges::min_element(
      workers_, {}, [](const std::unique_ptr<Worker>& worker) { return worker->load(); });
}

void Server::Impl::accept() {
  Worker& worker = least_loaded();
  acceptor_->async_accept(worker.io(),
                          [this, &worker](const error_code& error, Tcp::socket socket) {
                            accepted(error, std::move(socket), worker);
                          });
}

void Server::Impl::accepted(const error_code& error, Tcp::socket socket, Worker& worker) {
  if (!acceptor_->is_open()) {
    return;
  }
  if (error && error != asio::error::connection_aborted) {
    // Such as no file descriptor left: trying at once would only burn time.
    pause_.emplace(workers_.front()->io(), kAcceptPause);
    pause_->async_wait([this](const error_code& stopped) {
      if (!stopped && acceptor_->is_open()) {
        accept();
      }
    });
    return;
  }
  if (!error) {
    core_->connections_accepted.fetch_add(1, std::memory_order_relaxed);
    if (core_->connections.fetch_add(1) >= core_->options.max_connections) {
      core_->connection_gone();
      core_->connections_refused.fetch_add(1, std::memory_order_relaxed);
      refuse_connection(std::move(socket), worker);
    } else {
      // The socket is of the worker's io_context already.
      asio::post(worker.io(), [&worker, tls = tls(), socket = std::move(socket)]() mutable {
        worker.adopt(std::move(socket), tls);
      });
    }
  }
  accept();
}

/// Says so where that takes no time, which it would with TLS.
void Server::Impl::refuse_connection(Tcp::socket socket, Worker& worker) {
  if (core_->options.tls) {
    return;
  }
  if (core_->farewells.fetch_add(1) >= kFarewellsMax) {
    core_->farewells.fetch_sub(1);
    return;
  }
  // The socket is of the worker's io_context already.
  asio::post(worker.io(), [this, &worker, socket = std::move(socket)]() mutable {
    std::make_shared<Farewell>(core_, worker.io(), std::move(socket))->say(too_many_);
  });
}

std::shared_ptr<TlsContext> Server::Impl::tls() const {
  const std::lock_guard lock(tls_mutex_);
  return tls_;
}

void Server::Impl::reload_tls() {
  if (!core_->options.tls) {
    return;
  }
  const TlsOptions& options = *core_->options.tls;
  // Looked at first: what changes while it is read is read again.
  const std::array<FileVersion, 2> versions{version_of(options.certificate),
                                            version_of(options.key)};
  auto fresh = make_tls_context(options);
  const std::lock_guard lock(tls_mutex_);
  tls_ = std::move(fresh);
  tls_versions_ = versions;
}

void Server::Impl::look_after_tls() {
  tls_look_->expires_after(kTlsLook);
  tls_look_->async_wait([this](const error_code& stopped) {
    if (stopped) {
      return;
    }
    const TlsOptions& options = *core_->options.tls;
    const std::array<FileVersion, 2> versions{version_of(options.certificate),
                                              version_of(options.key)};
    std::unique_lock lock(tls_mutex_);
    const bool changed = std::exchange(tls_versions_, versions) != versions;
    lock.unlock();
    if (changed) {
      try {
        reload_tls();
        Log().info("the certificate `{}` was read again", options.certificate);
      } catch (const Error& error) {
        // The other file may be about to change, too; then it is tried again.
        Log().warn("{}; the old certificate stays until then", error.what());
      }
    }
    look_after_tls();
  });
}

/// Waits until it is done, if there is somebody to do it.
void Server::Impl::close_acceptor() {
  const auto& first = workers_.front();
  first->gate()->post([this] {
    error_code ignored;
    (void)acceptor_->close(ignored);
    if (pause_) {
      pause_->cancel();
    }
    if (tls_look_) {
      tls_look_->cancel();
    }
  });
}

bool Server::Impl::drain(std::chrono::milliseconds longest) {
  bool all_done = true;
  {
    const std::lock_guard lock(running_mutex_);
    if (running_) {
      core_->draining = true;
      close_acceptor();
      for (const auto& worker : workers_) {
        worker->drain();
      }
      std::unique_lock waiting(core_->mutex);
      all_done = core_->none_left.wait_for(waiting, longest,
                                           [&] { return core_->connections.load() == 0; });
    }
  }
  stop();
  return all_done;
}

void Server::Impl::stop() {
  const std::lock_guard lock(running_mutex_);
  if (std::exchange(running_, false)) {
    close_acceptor();
    // The first one last: it has what the others are given.
    for (const auto& worker : workers_ | std::views::reverse) {
      worker->stop();
    }
  }
  core_->access_log.stop();
}

ServerStats Server::Impl::stats() const {
  ServerStats stats{.connections_accepted = core_->connections_accepted,
                    .connections_refused = core_->connections_refused,
                    .connections_now = core_->connections,
                    .in_flight_now = core_->in_flight,
                    .streams_now = core_->streams,
                    .log_lines_dropped = core_->access_log.dropped()};
  for (const auto& worker : workers_) {
    const Counters& counters = std::as_const(*worker).counters();
    std::ranges::transform(counters.by_status_class, stats.by_status_class,
                           stats.by_status_class.begin(),
                           [](const Count& more, std::int64_t sum) { return sum + more; });
    stats.streams_cut_off += counters.streams_cut_off;
    stats.bytes_in += counters.bytes_in;
    stats.bytes_out += counters.bytes_out;
    stats.tls_handshakes_failed += counters.tls_handshakes_failed;
    stats.rate_limited += counters.rate_limited;
    stats.authentication_failures += counters.authentication_failures;
    stats.timeouts += counters.timeouts;
  }
  stats.requests =
      std::accumulate(stats.by_status_class.begin(), stats.by_status_class.end(), std::int64_t{0});
  return stats;
}

Server::Server(ServerOptions options, Handler& handler, ProblemShaper shape)
    : impl_(std::make_unique<Impl>(std::move(options), handler, std::move(shape))) {}
Server::~Server() = default;
Address Server::start() { return impl_->start(); }
bool Server::drain(std::chrono::milliseconds longest) { return impl_->drain(longest); }
void Server::stop() { impl_->stop(); }
void Server::reload_tls() { impl_->reload_tls(); }
ServerStats Server::stats() const { return impl_->stats(); }

}  // namespace millrace::http
