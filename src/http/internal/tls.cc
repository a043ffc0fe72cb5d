#include "http/internal/tls.h"

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/files.h"

namespace millrace::http {
namespace {

constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

int choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void* /*unused*/) {
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, chosen_size, kHttp11, sizeof(kHttp11), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

[[noreturn]] void refuse(std::string_view what, const std::string& path, std::string_view hint) {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  throw Error(Blame::external, fmt::format("the {} in `{}` cannot be used: {}; {}", what, path,
                                           reason == nullptr ? "unknown reason" : reason, hint));
}

}  // namespace

std::shared_ptr<TlsContext> make_tls_context(const TlsOptions& options) {
  namespace ssl = boost::asio::ssl;
  auto context = std::make_shared<TlsContext>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                  SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Connections that wait have no buffers of their own.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  context->set_password_callback(
      [password = options.key_password](std::size_t, ssl::context::password_purpose) {
        return password.reveal();
      });
  boost::system::error_code failed;
  // Read by ourselves, so that a file that is not there is told of as such.
  const std::string certificate = read_file(options.certificate);
  const std::string key = read_file(options.key);
  (void)context->use_certificate_chain(boost::asio::buffer(certificate), failed);
  if (failed) {
    refuse("certificate", options.certificate, "it has to be PEM, the server's own first");
  }
  (void)context->use_private_key(boost::asio::buffer(key), ssl::context::pem, failed);
  if (failed) {
    refuse("key", options.key, "it has to be PEM, of the certificate, and `key_password` its own");
  }
  if (SSL_CTX_check_private_key(native) != 1) {
    refuse("key", options.key, "it has to be the one of the certificate");
  }
  return context;
}

}  // namespace millrace::http
