// Whether a request may reach the handler, decided by its head, before its body is read.
#pragma once

#include <optional>
#include <string>

#include "http/internal/core.h"

namespace millrace::http {

/// Who is at the other end.
struct Client {
  std::string address;  ///< without the port
  std::string network;  ///< whose share of the rate it uses: IPv6 clients have a whole /64
};

/// Sets `user` and `permission`. The answer to give in place of the handler's; nullopt: it may.
[[nodiscard]] std::optional<Response> admit(Core& core, Counters& counters, const Client& client,
                                            Request& request);

}  // namespace millrace::http
