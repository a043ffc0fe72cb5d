// One connection to a node: greeted, logged in, with many requests under way at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "connectors/cassandra/protocol/frame.h"
#include "connectors/cassandra/protocol/socket.h"

namespace millrace::cassandra {

/// How to greet.
struct Greeting {
  int version = kNewestVersion;  ///< the newest to try
  bool lz4 = false;              ///< compress, if the server can
  const TlsContext* tls = nullptr;
  std::string username;  ///< empty: we don't say who we are
  Secret password;
  std::chrono::milliseconds timeout{5'000};
};

/// Used by one thread. What goes wrong with the connection is an Error with Retry::yes, after which
/// it is of no use; a login that is refused is one without.
class Connection {
 public:
  /// Connects, agrees on the newest version that both sides speak, and logs in.
  [[nodiscard]] static std::unique_ptr<Connection> open(const Endpoint& to, Greeting greeting,
                                                        const std::stop_token& stop);
  /// For open(): the greeting's version alone.
  Connection(const Endpoint& to, const Greeting& greeting, const std::stop_token& stop);

  [[nodiscard]] int version() const noexcept { return framing_.version; }
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }

  /// Sends a request and waits for its answer; answers to others are kept for next().
  [[nodiscard]] Envelope ask(Opcode opcode, std::string_view body,
                             std::chrono::milliseconds timeout, const std::stop_token& stop);

  /// Whether one more request may be under way.
  [[nodiscard]] bool has_room() const noexcept {
    return !free_.empty() && socket_.unsent() < kUnsentMax;
  }
  /// Takes a request, which goes with the next flush(); its stream, which its answer has.
  std::int16_t send(Opcode opcode, std::string_view body);
  void flush();
  /// Reads what has come, after poll(2) said that there is something.
  void receive();
  /// The next answer that has come.
  [[nodiscard]] std::optional<Envelope> next();

  // For poll(2).
  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }
  [[nodiscard]] short events() const noexcept { return socket_.events(); }

 private:
  static constexpr std::size_t kStreams = 2048;
  static constexpr std::size_t kUnsentMax = std::size_t{4} << 20;

  [[nodiscard]] std::optional<Envelope> read_one();
  void greet(const Greeting& greeting, const std::stop_token& stop);
  void log_in(const Greeting& greeting, std::string_view authenticator,
              const std::stop_token& stop);
  void wait(std::chrono::steady_clock::time_point until, const std::stop_token& stop);

  Endpoint endpoint_;
  Framing framing_;
  Socket socket_;
  FrameWriter writer_;
  FrameReader reader_;
  std::vector<std::int16_t> free_;  // streams without a request
  std::deque<Envelope> answers_;    // that came while ask() waited for its own
  std::string scratch_;
};

}  // namespace millrace::cassandra
