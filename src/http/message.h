// What passes between the HTTP server and those who answer: requests whole, answers whole or as a
// stream of events. RFC 9110; event streams: the HTML standard, section 9.2.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::http {

struct Header {
  std::string name;
  std::string value;
};

/// What somebody may do: control is read, and more.
enum class Permission : std::uint8_t { none, read, control };

/// A request that was read to its end, within the server's limits. Everything that is decoded is
/// valid UTF-8 without NUL.
struct Request {
  std::string method;  ///< "GET", as it came
  std::string target;  ///< as it came, for logs: path and query, not decoded
  /// Of the path, each decoded: "/a/b%2Fc" is {"a", "b/c"}, "/" is {}, and "/a/" is {"a", ""}.
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order; "+" is a space
  std::vector<Header> headers;                             ///< in order
  std::string body;
  std::string client;  ///< its address, without the port
  std::string user;    ///< who it is, by the server's authentication; empty: nobody has to be known
  /// What `user` may do. Of a server without authentication: control. On a path that needs none, of
  /// somebody unknown: none. The server sets it and does not ask for it; who answers has to.
  Permission permission = Permission::none;

  /// By its name, without regard to case; empty: there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
  /// The first of this name; nullopt: there is none.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const noexcept;
  [[nodiscard]] bool may(Permission what) const noexcept { return permission >= what; }
};

/// A client that listens for events. Thread-safe; the server may close it at any time, and closes
/// it when nobody holds it any more. The server sends a comment every 15 s, so that both ends and
/// what lies between them see that it is alive.
class EventStream {
 public:
  virtual ~EventStream() = default;
  /// Sends bytes of the event stream ("id: 7\ndata: {}\n\n"). False: the client is gone, or reads
  /// so slowly that its queue was full and it was cut off; it resumes by Last-Event-ID.
  virtual bool send(std::string_view bytes) = 0;
  [[nodiscard]] virtual bool is_open() const noexcept = 0;
  virtual void close() = 0;
};

struct Response {
  int status = 200;
  /// Without Content-Length, Transfer-Encoding, Date, Connection and Server, which are left out. A
  /// name or value that would break the head of the answer makes it a 500.
  std::vector<Header> headers;
  /// Shared, so that a kept answer is sent to many without being copied. nullptr: none. HEAD is
  /// answered as GET; the server leaves the body out. Text above 1 KiB is compressed for clients
  /// that take gzip, once for a body that somebody keeps; a strong ETag is then sent as a weak one.
  std::shared_ptr<const std::string> body;
  /// If set, the answer is an event stream: called once, on a thread of the server, when its head
  /// is under way. `body` is not used. A HEAD request has its head alone, and this is not called.
  std::function<void(std::shared_ptr<EventStream>)> events;
};

/// Takes the answer, from any thread, once. If it is destroyed without, the client gets a 500. It
/// may outlive the client and the server, and is then harmless.
using Responder = std::move_only_function<void(Response)>;

/// Answers requests. Called by all threads of a server at once, and must not block them: what takes
/// longer than some 100 microseconds goes to threads of one's own. An exception becomes a 500.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(Request request, Responder respond) = 0;
};

}  // namespace millrace::http
