#include "connectors/cassandra/protocol/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/error.h"

namespace millrace::cassandra {

namespace {

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

void use_files(SSL_CTX* context, const TlsContext::Options& options) {
  const auto refuse = [](std::string_view option, const std::string& path, std::string_view hint) {
    throw Error(Blame::user, fmt::format("`{}`: {} can't be used ({}); {}", option, path,
                                         openssl_problem(), hint));
  };
  const bool trusts = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                              : SSL_CTX_load_verify_locations(
                                                    context, options.ca_file.c_str(), nullptr) == 1;
  if (!trusts) {
    refuse("tls_ca", options.ca_file, "it must be a readable file of certificates (PEM)");
  }
  if (options.certificate_file.empty()) {
    return;
  }
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    refuse("tls_certificate", options.certificate_file, "it must be a readable certificate (PEM)");
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    refuse("tls_key", options.key_file,
           "it must be a readable key (PEM) that `tls_key_password` opens and that belongs to "
           "`tls_certificate`");
  }
}

int give_password(char* to, int size, int /*writing*/, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  const auto length = std::min(text.size(), static_cast<std::size_t>(size));
  std::copy_n(text.data(), length, to);
  return static_cast<int>(length);
}

// OpenSSL's own BIO of a socket dies of SIGPIPE when the other side has gone.

int descriptor_of(BIO* bio) { return static_cast<const UniqueFd*>(BIO_get_data(bio))->get(); }

bool is_later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int write_some(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  const auto count = ::send(descriptor_of(bio), from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (count < 0 && is_later()) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(count);
}

int read_some(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  const auto count = ::recv(descriptor_of(bio), to, static_cast<std::size_t>(size), 0);
  if (count < 0 && is_later()) {
    BIO_set_retry_read(bio);
  }
  return static_cast<int>(count);
}

long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct FreeMethod {
  void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
};

const BIO_METHOD* socket_method() {
  static const std::unique_ptr<BIO_METHOD, FreeMethod> kMethod = [] {
    std::unique_ptr<BIO_METHOD, FreeMethod> method(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals"));
    BIO_meth_set_write(method.get(), write_some);
    BIO_meth_set_read(method.get(), read_some);
    BIO_meth_set_ctrl(method.get(), control);
    return method;
  }();
  return kMethod.get();
}

}  // namespace

std::string openssl_problem() {
  const auto code = ERR_get_error();
  std::array<char, 256> text{};
  if (code != 0) {
    ERR_error_string_n(code, text.data(), text.size());
  }
  ERR_clear_error();
  return code == 0 ? "no reason given" : text.data();
}

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

TlsContext::TlsContext(const Options& options)
    : context_(SSL_CTX_new(TLS_client_method())), server_name_(options.server_name) {
  if (context_ == nullptr) {
    throw Error(Blame::internal, "OpenSSL: " + openssl_problem());
  }
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context_.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  std::string password = options.key_password;
  SSL_CTX_set_default_passwd_cb(context_.get(), give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context_.get(), &password);
  use_files(context_.get(), options);
  SSL_CTX_set_default_passwd_cb_userdata(context_.get(), nullptr);
}

void FreeTls::operator()(ssl_st* tls) const noexcept { SSL_free(tls); }

TlsHandle TlsContext::make(const UniqueFd& fd, const std::string& host) const {
  TlsHandle tls(SSL_new(context_.get()));
  BIO* bio = BIO_new(socket_method());
  if (tls == nullptr || bio == nullptr) {
    BIO_free(bio);
    throw Error(Blame::internal, "OpenSSL: " + openssl_problem());
  }
  BIO_set_data(bio, const_cast<UniqueFd*>(&fd));
  BIO_set_init(bio, 1);
  SSL_set_bio(tls.get(), bio, bio);
  const auto& name = server_name_.empty() ? host : server_name_;
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls.get()), name.c_str());
  } else {
    SSL_set_tlsext_host_name(tls.get(), name.c_str());
    SSL_set1_host(tls.get(), name.c_str());
  }
  return tls;
}

}  // namespace millrace::cassandra
