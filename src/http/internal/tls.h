// The server's certificate and key.
#pragma once

#include "http/internal/asio.h"
// Behind it:
#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "http/options.h"

namespace millrace::http {

using TlsContext = boost::asio::ssl::context;

/// TLS 1.2 or newer (RFC 8996), HTTP/1.1 by ALPN (RFC 7301). Throws Error{external} that names the
/// file that cannot be used.
[[nodiscard]] std::shared_ptr<TlsContext> make_tls_context(const TlsOptions& options);

}  // namespace millrace::http
