// How a server is set up: what users write in YAML, and what its owner decides.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/options.h"
#include "http/message.h"

namespace millrace::http {

/// Where to listen, or where a server does.
struct Address {
  std::string host;  ///< an address or a name, IPv6 without brackets; empty: all interfaces
  std::uint16_t port = 0;

  /// "127.0.0.1:8080", "[::1]:8080"
  [[nodiscard]] std::string text() const;
  bool operator==(const Address&) const = default;
};

/// Of "127.0.0.1:8080", "localhost:0", "[::1]:8080", ":8080" or "*:8080"; nullopt: it is none.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);

/// The way out of an address that is open to everybody.
inline constexpr const char* kWayOutOfOpen =
    "give `users`, listen on 127.0.0.1, or say `allow_public_without_authentication: true`";

/// Files (PEM). Both are read again when they change, and connections stay.
struct TlsOptions {
  std::string certificate;  ///< and those that lead to a known authority, in order
  std::string key;
  Secret key_password;

  static const OptionTable<TlsOptions>& table();
};

/// Somebody who may ask, by any of the tokens, or by name and password.
struct UserOptions {
  Node token;  ///< one reference, or several
  Secret password;
  Permission permission = Permission::read;
  std::vector<Secret> tokens;  ///< `token`, read

  static const OptionTable<UserOptions>& table();
};

enum class AccessLogMode : std::uint8_t { off, errors, all };

struct ServerOptions {
  // What users write.
  std::string listen = "127.0.0.1:8080";  ///< port 0: one that is free
  std::int64_t threads = 2;
  std::int64_t max_connections = 4096;
  Bytes max_body_size{1 << 20};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds request_timeout{30'000};
  Node tls_node;
  Node users_node;
  std::vector<std::string> cors_origins;
  bool cors_credentials = false;
  std::optional<double> rate_limit;  ///< requests a second
  AccessLogMode access_log = AccessLogMode::errors;
  std::vector<std::pair<std::string, std::string>> headers;  ///< of all answers
  bool allow_public_without_authentication = false;

  // What read_nested() makes of the nodes.
  std::optional<TlsOptions> tls;
  std::map<std::string, UserOptions> users;

  // What the owner decides.
  std::vector<std::string> open_paths;  ///< such as "/healthz": need no authentication
  std::int64_t max_in_flight = 1024;    ///< requests that handlers work on
  std::int64_t max_pipelined = 16;      ///< of them, of one connection
  Bytes max_head_size{32 << 10};        ///< request line and headers; a buffer grows to as much
  std::int64_t max_headers = 100;
  Bytes max_target_size{8 << 10};
  Bytes max_bodies_size{64 << 20};    ///< of all bodies that are being read
  std::int64_t max_streams = 256;     ///< event streams
  Bytes max_stream_queue{256 << 10};  ///< what a client of a stream may be behind
  std::chrono::milliseconds heartbeat{15'000};

  static const OptionTable<ServerOptions>& table();
  /// As options of a T that has them: options<T>(&T::server), or with a function that gives them.
  template <class T, class Get>
  [[nodiscard]] static std::vector<Option<T>> options(Get get);
  /// Reads `tls` and `users`, and checks what belongs together; call it after parse(). Relative
  /// paths are below the folder of the file in which they stand. True: there was no mistake.
  bool read_nested(Diagnostics& diagnostics, std::string_view what);
  /// Whether other machines could ask, without having to say who they are. `validate` reports it,
  /// and a server does not start.
  [[nodiscard]] bool is_open_to_everybody() const;
};

}  // namespace millrace::http

namespace millrace {

template <>
struct EnumNames<http::Permission> {
  using P = http::Permission;
  static constexpr EnumWord<P> kWords[] = {{P::read, "read"}, {P::control, "control"}};
};

template <>
struct EnumNames<http::AccessLogMode> {
  using M = http::AccessLogMode;
  static constexpr EnumWord<M> kWords[] = {{M::off, "off"}, {M::errors, "errors"}, {M::all, "all"}};
};

template <class T, class Get>
std::vector<Option<T>> http::ServerOptions::options(Get get) {
  using std::chrono::milliseconds;
  return {
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).listen; }, "listen",
                "Address and port. One that is not of this machine alone, such as 0.0.0.0, needs "
                "`users`. Port 0 is any that is free."}
          .example("0.0.0.0:8080"),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).threads; }, "threads",
                "Threads that read requests and write answers."}
          .at_least(1)
          .at_most(64),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).max_connections; },
                "max_connections", "Connections at once; more get a 503."}
          .at_least(1)
          .at_most(1'000'000),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).max_body_size; }, "max_body_size",
                "The largest body of a request; a larger one gets a 413."}
          .at_least(Bytes{0})
          .at_most(Bytes{1 << 30}),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).idle_timeout; }, "idle_timeout",
                "A connection without a request for so long is closed."}
          .at_least(milliseconds(100)),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).request_timeout; },
                "request_timeout",
                "The longest time that a request may take to arrive (its head a third of it), and "
                "that a client may take nothing of its answer."}
          .at_least(milliseconds(100)),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).tls_node; }, "tls",
                "Encrypt: a mapping of `certificate` and `key`, files (PEM), and `key_password`. "
                "Files that change are read again."}
          .example("{ certificate: server.pem, key: server.key }"),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).users_node; }, "users",
                "Who may ask: a mapping of names, each to a mapping of `token` (one reference, or "
                "a list), for `Authorization: Bearer`; `password`, for basic authentication; and "
                "`permission`, read or control."}
          .default_text("anybody who reaches the address")
          .example("{ app: { token: ${env:APP_TOKEN} }, ann: { password: ${file:ann.password}, "
                   "permission: control } }"),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).cors_origins; }, "cors_origins",
                "Origins whose pages may ask from within a browser; `*`: all."}
          .example("https://app.example.com"),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).cors_credentials; },
                "cors_credentials",
                "Let browsers send passwords and cookies from pages of `cors_origins`."},
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).rate_limit; }, "rate_limit",
                "Requests a second of a user, or of an address where nobody has to be known; twice "
                "as many at once. More get a 429."}
          .at_least(0.01)
          .default_text("none")
          .example("100"),
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).access_log; }, "access_log",
                "Requests that are logged: off, none; errors, those answered with a status of 400 "
                "or above; or all."},
      Option<T>{[get](T& o) -> auto& { return std::invoke(get, o).headers; }, "headers",
                "Headers of all answers that do not have them."}
          .example("{ Strict-Transport-Security: max-age=31536000 }"),
      Option<T>{
          [get](T& o) -> auto& { return std::invoke(get, o).allow_public_without_authentication; },
          "allow_public_without_authentication",
          "Listen where other machines can ask, without `users`."},
  };
}

}  // namespace millrace
