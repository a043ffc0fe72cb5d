// TLS by OpenSSL: certificates are always checked, and that they are for the host.
#pragma once

#include <memory>
#include <string>

#include "base/files.h"

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::cassandra {

/// A connection's TLS.
struct FreeTls {
  void operator()(ssl_st* tls) const noexcept;
};
using TlsHandle = std::unique_ptr<ssl_st, FreeTls>;

/// Certificates, for all connections of a session.
class TlsContext {
 public:
  struct Options {
    std::string ca_file;           ///< PEM; empty: those of the system
    std::string certificate_file;  ///< PEM; empty: none of our own
    std::string key_file;
    std::string key_password;
    std::string server_name;  ///< whom certificates must be for; empty: the host we connect to
  };
  /// Throws Error (user) for files that can't be used.
  explicit TlsContext(const Options& options);

  /// For a connected socket that never blocks and outlives it, to this host. The greeting is left
  /// to SSL_connect.
  [[nodiscard]] TlsHandle make(const UniqueFd& fd, const std::string& host) const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::string server_name_;
};

/// What OpenSSL last said is wrong, and forgets it.
[[nodiscard]] std::string openssl_problem();

}  // namespace millrace::cassandra
