// What a client still sends on a connection that is being closed.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "http/internal/transport.h"

namespace millrace::http {

/// Reads it as it comes, in the cipher if there is one, and throws it away, so that the client gets
/// to read the answer before the connection is reset (RFC 9112, 9.6). Not for ever.
class Leftovers {
 public:
  /// Tells the user when it has come to its end. The socket, and this, live as long as the user.
  void read(Tcp::socket& socket, Transport::User user) {
    // Looked at by nobody, so that all of a thread may leave it at one place.
    thread_local std::array<char, 64 << 10> rest;
    socket.async_read_some(asio::buffer(rest), [this, &socket, user = std::move(user)](
                                                   const error_code& error, std::size_t n) {
      bytes_ += n;
      if (error || bytes_ > kMax) {
        user->on_finished();
      } else {
        read(socket, user);
      }
    });
  }

 private:
  static constexpr std::size_t kMax = 64 << 20;
  std::size_t bytes_ = 0;
};

}  // namespace millrace::http
