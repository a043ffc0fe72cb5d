#include "http/options.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "base/strings.h"

namespace millrace::http {
namespace {

/// The references of `token`: one, or a list.
bool read_tokens(UserOptions& user, Diagnostics& diagnostics, std::string_view what) {
  if (user.token.is_null()) {
    return true;
  }
  const OptionInfo info{.name = "token", .kind = OptionKind::secret};
  const std::vector<Node> one{user.token};
  bool good = true;
  for (const Node& each : user.token.is_sequence() ? user.token.items : one) {
    Secret secret;
    good &= options::read({each, info, what, diagnostics}, secret);
    user.tokens.push_back(std::move(secret));
  }
  return good;
}

bool is_user_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.find(':') == std::string_view::npos &&
         std::ranges::all_of(name, [](unsigned char c) { return c > 0x20 && c != 0x7F; });
}

bool read_user(const Node::Entry& entry, ServerOptions& into, Diagnostics& diagnostics,
               std::string_view server) {
  const std::string what = fmt::format("user `{}` of {}", entry.key, server);
  UserOptions user;
  bool good = UserOptions::table().parse(entry.value, diagnostics, user, what);
  good &= read_tokens(user, diagnostics, what);
  if (!is_user_name(entry.key)) {
    diagnostics.error(entry.at, fmt::format("{} has a name that cannot be used", what),
                      "use up to 64 characters without spaces and colons");
    good = false;
  }
  const bool has_empty_token =
      std::ranges::any_of(user.tokens, [](const Secret& token) { return token.empty(); });
  if (good && ((user.tokens.empty() && user.password.empty()) || has_empty_token)) {
    diagnostics.error(entry.at, fmt::format("{} has no secret, or an empty one", what),
                      "give `token` or `password`, such as `token: ${env:APP_TOKEN}`");
    good = false;
  }
  into.users[entry.key] = std::move(user);
  return good;
}

bool read_tls(ServerOptions& into, Diagnostics& diagnostics, std::string_view server) {
  if (into.tls_node.is_null()) {
    return true;
  }
  TlsOptions tls;
  const bool good = TlsOptions::table().parse(into.tls_node, diagnostics, tls,
                                              fmt::format("`tls` of {}", server));
  const std::string folder = folder_of(into.tls_node.at.file);
  for (std::string* path : {&tls.certificate, &tls.key}) {
    *path = path->empty() ? "" : resolve_path(folder, *path);
  }
  into.tls = std::move(tls);
  return good;
}

bool is_origin(std::string_view text) {
  const std::size_t begin = text.starts_with("https://")  ? 8
                            : text.starts_with("http://") ? 7
                                                          : std::string_view::npos;
  return text == "*" || (begin != std::string_view::npos && begin < text.size() &&
                         text.find_first_of("/?#*@ ", begin) == std::string_view::npos);
}

/// Names other than localhost are taken for public: what they stand for may change.
bool is_of_this_machine(const std::string& host) {
  in6_addr v6{};
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == 127;
  }
  return host == "localhost" ||
         (::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

}  // namespace

std::string Address::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::optional<Address> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = parse_integer(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) {
      return std::nullopt;
    }
  } else if (host.find_first_of(":[] /") != std::string_view::npos) {
    return std::nullopt;
  }
  if (!port || !is_digit(text[colon + 1]) || !std::in_range<std::uint16_t>(*port)) {
    return std::nullopt;
  }
  return Address{std::string(host == "*" ? "" : host), static_cast<std::uint16_t>(*port)};
}

const OptionTable<TlsOptions>& TlsOptions::table() {
  using O = TlsOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::certificate, "certificate",
                "The server's certificate (PEM), and those that lead to its authority."}
          .required()
          .path()
          .example("server.pem"),
      Option<O>{&O::key, "key", "The key (PEM) of the certificate."}.required().path().example(
          "server.key"),
      Option<O>{&O::key_password, "key_password", "The password of the key."},
  };
  return kTable;
}

const OptionTable<UserOptions>& UserOptions::table() {
  using O = UserOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::token, "token",
                "What the user sends as `Authorization: Bearer`: one reference, or a list, so that "
                "a token can be changed without a gap."}
          .example("${env:APP_TOKEN}"),
      Option<O>{&O::password, "password", "For basic authentication, with the user's name."}
          .example("${file:ann.password}"),
      Option<O>{&O::permission, "permission",
                "read: ask for results and what is shown; control: also change what runs."},
  };
  return kTable;
}

const OptionTable<ServerOptions>& ServerOptions::table() {
  static const OptionTable<ServerOptions> kTable(
      options<ServerOptions>([](ServerOptions& o) -> ServerOptions& { return o; }));
  return kTable;
}

bool ServerOptions::is_open_to_everybody() const {
  const auto address = parse_address(listen);
  return users.empty() && !allow_public_without_authentication && address &&
         !is_of_this_machine(address->host);
}

bool ServerOptions::read_nested(Diagnostics& diagnostics, std::string_view what) {
  bool good = read_tls(*this, diagnostics, what);
  if (users_node.is_mapping()) {
    for (const Node::Entry& entry : users_node.entries) {
      good &= read_user(entry, *this, diagnostics, what);
    }
  } else if (!users_node.is_null()) {
    diagnostics.error(users_node.at, fmt::format("`users` of {} must be a mapping of names", what),
                      "such as `users: { app: { token: ${env:APP_TOKEN} } }`");
    good = false;
  }
  const Location at = tls_node.is_null() ? users_node.at : tls_node.at;
  const auto refuse = [&](std::string message, std::string hint) {
    diagnostics.error(at, std::move(message), std::move(hint));
    good = false;
  };
  if (!parse_address(listen)) {
    refuse(fmt::format("`listen` of {} is no address and port: `{}`", what, listen),
           "write it as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080");
  }
  for (const std::string& origin : cors_origins) {
    if (!is_origin(origin)) {
      refuse(fmt::format("`cors_origins` of {} has `{}`, which is no origin", what, origin),
             "write a scheme and a host, such as https://app.example.com, or *");
    }
  }
  if (cors_credentials && std::ranges::find(cors_origins, "*") != cors_origins.end()) {
    refuse(fmt::format("`cors_credentials` of {} cannot go with the origin `*`", what),
           "name the origins whose pages may send passwords");
  }
  if (good && is_open_to_everybody()) {
    refuse(fmt::format("`listen: {}` of {} lets other machines ask, and nobody has to say who "
                       "they are",
                       listen, what),
           kWayOutOfOpen);
  }
  return good;
}

}  // namespace millrace::http
