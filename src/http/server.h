// An HTTP/1.1 server (RFC 9110, 9112): connections, TLS, limits, who may ask. What is answered is a
// Handler's.
//
//   Server server({.listen = "127.0.0.1:0"}, handler);
//   Address at = server.start();
//   ...
//   server.drain(10s);
#pragma once

#include <chrono>
#include <memory>

#include "http/message.h"
#include "http/options.h"
#include "http/problem.h"
#include "http/stats.h"

namespace millrace::http {

class Server {
 public:
  /// `handler` outlives the server's stop(). `shape` makes the answers of the server's own
  /// problems.
  Server(ServerOptions options, Handler& handler, ProblemShaper shape = problem_response);
  /// Stops at once.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens, and starts the threads; returns the address with the real port. Once. Throws Error:
  /// the user's for options that do not go together or an address that is open to everybody,
  /// external for one that is taken and for certificates that cannot be read.
  Address start();

  /// Ends gracefully: stops listening, closes idle connections and event streams, answers the
  /// requests that are in flight (with `Connection: close`), and stops when they are done or after
  /// `longest`. True: all were done. Blocks; any thread but the server's own.
  bool drain(std::chrono::milliseconds longest);
  /// Closes everything and ends the threads. When it returns, the handler is not called any more.
  /// Any thread but the server's own; again without effect.
  void stop();

  /// Reads certificate and key again, for connections from now on; without TLS nothing. Throws
  /// Error, and goes on with the old ones. Files that change are read by themselves within seconds.
  void reload_tls();

  /// At any time, from any thread.
  [[nodiscard]] ServerStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
