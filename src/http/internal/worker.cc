#include "http/internal/worker.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <ctime>
#include <optional>
#include <utility>

#include "base/log.h"

namespace millrace::http {
namespace {

/// How late a timeout may be noticed.
constexpr std::chrono::milliseconds kTick{50};

/// The first half of an IPv6 address: one client has all that share it.
std::string network_of(const asio::ip::address& address) {
  if (address.is_v4() || address.to_v6().is_v4_mapped()) {
    return address.to_string();
  }
  const auto bytes = address.to_v6().to_bytes();
  return fmt::format("{:02x}/64", fmt::join(bytes.begin(), bytes.begin() + 8, ""));
}

}  // namespace

Worker::Worker(std::shared_ptr<Core> core)
    : core_(std::move(core)), gate_(std::make_shared<Gate>(io_)) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  gate_->enter();
  guard_.emplace(io_.get_executor());
  for (;;) {
    try {
      // Until close_all() has let the guard go and what it has ended has been told of.
      io_.run();
      return;
    } catch (const std::exception& error) {
      // Such as a lack of memory: of one connection, and the others go on.
      Log().error("the HTTP server: {}", error.what());
    }
  }
}

void Worker::stop() {
  if (thread_.joinable()) {
    gate_->post([this] { close_all(); });
    thread_.join();
  }
  gate_->close();
}

void Worker::drain() {
  gate_->post([this] {
    // Each may go while it is told.
    const auto all = connections_;
    for (const auto& connection : all) {
      connection->drain();
    }
  });
}

void Worker::close_all() {
  const auto all = std::exchange(connections_, {});
  for (const auto& connection : all) {
    connection->close();
  }
  timer_.cancel();
  stopping_ = true;
  guard_.reset();
}

void Worker::adopt(Tcp::socket socket, const std::shared_ptr<TlsContext>& tls) {
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error || stopping_ || core_->draining) {
    core_->connection_gone();
    return;
  }
  (void)socket.set_option(Tcp::no_delay(true), error);
  Client client{.address = peer.address().to_string(), .network = network_of(peer.address())};
  auto transport = tls == nullptr ? make_plain_transport(std::move(socket))
                                  : make_tls_transport(std::move(socket), *tls);
  auto connection =
      std::make_shared<Connection>(core_, *this, std::move(client), std::move(transport));
  connection->place = connections_.size();
  connections_.push_back(connection);
  ++load_;
  connection->start();
  if (!std::exchange(ticking_, true)) {
    tick();
  }
}

void Worker::remove(Connection& connection) {
  --load_;
  core_->connection_gone();
  const std::size_t place = connection.place;
  if (place >= connections_.size() || connections_[place].get() != &connection) {
    return;  // close_all() has taken the list
  }
  connections_[place] = std::move(connections_.back());
  connections_[place]->place = place;
  connections_.pop_back();
}

void Worker::tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](const error_code& error) {
    if (error || connections_.empty()) {
      ticking_ = false;
      return;
    }
    const auto now = Steady::now();
    // From the end, since one that closes is replaced by the last.
    for (std::size_t i = connections_.size(); i-- > 0;) {
      if (i < connections_.size()) {
        const auto connection = connections_[i];
        connection->on_tick(now);
      }
    }
    tick();
  });
}

std::string_view Worker::date() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != date_at_) {
    date_at_ = now.tv_sec;
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(date_at_));
  }
  return date_;
}

}  // namespace millrace::http
