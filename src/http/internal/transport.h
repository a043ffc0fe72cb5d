// Bytes to and from a client, in the clear or through TLS. All calls come from the thread of its
// worker.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "http/internal/asio.h"
#include "http/internal/tls.h"

namespace millrace::http {

/// Who is told what has happened; kept alive by every operation that is under way. Not called from
/// within the calls below.
class TransportUser {
 public:
  virtual ~TransportUser() = default;
  virtual void on_ready(bool good) = 0;
  /// 0 bytes: the client has ended its side. `good` false: the connection is lost.
  virtual void on_read(std::size_t bytes, bool good) = 0;
  virtual void on_written(std::size_t bytes, bool good) = 0;
  /// What finish() began has come to its end.
  virtual void on_finished() = 0;
};

/// Each operation is under way once at most; a read and a write may be at the same time.
class Transport {
 public:
  using User = std::shared_ptr<TransportUser>;

  virtual ~Transport() = default;
  /// The handshake, if there is one: on_ready().
  virtual void begin(User user) = 0;
  /// Reads something: on_read().
  virtual void read(User user, std::span<char> into) = 0;
  /// Writes what can be written at once, and returns how much that was; `good` false: the
  /// connection is lost.
  virtual std::size_t write_now(std::span<const std::string_view> pieces, bool& good) = 0;
  /// Writes something, of pieces that stay: on_written().
  virtual void write(User user, std::span<const std::string_view> pieces) = 0;
  /// Tells the client that nothing more comes, and reads on until it has heard that: closed at
  /// once, what it has sent and we have not read would make it lose our last answer. No read may be
  /// under way.
  virtual void finish(User user) = 0;
  /// Ends a read that is under way, which is then told of as lost.
  virtual void cancel() noexcept = 0;
  /// Ends all operations, which are then told of as lost.
  virtual void close() noexcept = 0;
};

[[nodiscard]] std::unique_ptr<Transport> make_plain_transport(Tcp::socket socket);
[[nodiscard]] std::unique_ptr<Transport> make_tls_transport(Tcp::socket socket,
                                                            const TlsContext& context);

}  // namespace millrace::http
