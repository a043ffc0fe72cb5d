// A TCP connection to a server, perhaps with TLS, that never blocks once it is open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/files.h"
#include "connectors/cassandra/protocol/tls.h"

namespace millrace::cassandra {

/// How often whoever waits for the network looks whether it has to stop.
inline constexpr std::chrono::milliseconds kStopCheck{100};

/// Where a node listens.
struct Endpoint {
  std::string host;  ///< a name or an address
  std::uint16_t port = 9042;

  [[nodiscard]] std::string text() const;
  bool operator==(const Endpoint&) const = default;
};

/// Used by one thread. What goes wrong with a connection is an Error (external, Retry::yes).
class Socket {
 public:
  /// Waits no longer than `timeout`; throws Stopped within a tenth of a second of a stop. A
  /// certificate that can't be trusted is an Error without Retry. `tls`: nullptr: none.
  Socket(const Endpoint& to, const TlsContext* tls, std::chrono::milliseconds timeout,
         const std::stop_token& stop);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Appends what has come; false: nothing.
  bool receive(std::string& to);
  /// Writes as much as goes; what is left stays for later.
  void send(std::string_view bytes);
  /// What was given to send() and did not go yet.
  [[nodiscard]] std::size_t unsent() const noexcept { return outgoing_.size() - sent_; }

  // For poll(2).
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] short events() const noexcept;

 private:
  void connect(const Endpoint& to, std::chrono::steady_clock::time_point until,
               const std::stop_token& stop);
  void greet(const Endpoint& to, std::chrono::steady_clock::time_point until,
             const std::stop_token& stop);
  void flush();

  UniqueFd fd_;
  TlsHandle ssl_;
  std::string outgoing_;
  std::size_t sent_ = 0;
};

}  // namespace millrace::cassandra
