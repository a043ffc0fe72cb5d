#include "http/testing/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/strings.h"

namespace millrace::http::testing {
namespace {

constexpr int kWaitSeconds = 20;

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string text_of(BIO& bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(&bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

struct Client::Tls {
  Owned<SSL_CTX> context;
  Owned<SSL> ssl;
};

Response text_answer(std::string text) {
  return {.headers = {{"Content-Type", "text/plain"}},
          .body = std::make_shared<const std::string>(std::move(text))};
}

std::string Reply::header(std::string_view name) const {
  for (const std::string_view line : split(head, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && equal_ignoring_case(line.substr(0, colon), name)) {
      return std::string(trim(line.substr(colon + 1)));
    }
  }
  return {};
}

Client::Client(const Address& server) { connect(server); }

Client::Client(const Address& server, int version, std::string_view protocols)
    : tls_(std::make_unique<Tls>()) {
  // OpenSSL writes to sockets whose other end is gone without saying that it wants no signal.
  std::signal(SIGPIPE, SIG_IGN);
  connect(server);
  tls_->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_max_proto_version(tls_->context.get(), version);
  SSL_CTX_set_min_proto_version(tls_->context.get(), TLS1_VERSION);
  SSL_CTX_set_security_level(tls_->context.get(), 0);
  tls_->ssl.reset(SSL_new(tls_->context.get()));
  if (!protocols.empty()) {
    SSL_set_alpn_protos(tls_->ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  }
  SSL_set_fd(tls_->ssl.get(), fd_.get());
  connected_ = SSL_connect(tls_->ssl.get()) == 1;
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

void Client::connect(const Address& server) {
  fd_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.port);
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  const timeval longest{kWaitSeconds, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
  const int no_delay = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    throw std::runtime_error("cannot connect to " + server.text());
  }
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = tls_ != nullptr
                          ? SSL_write(tls_->ssl.get(), bytes.data(), static_cast<int>(bytes.size()))
                          : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Client::read_more() {
  std::array<char, 65536> some;
  const auto size = tls_ != nullptr
                        ? SSL_read(tls_->ssl.get(), some.data(), static_cast<int>(some.size()))
                        : ::recv(fd_.get(), some.data(), some.size(), 0);
  if (size <= 0) {
    return false;
  }
  bytes_.append(some.data(), static_cast<std::size_t>(size));
  return true;
}

Reply Client::reply(bool is_head) {
  Reply reply;
  std::size_t end = 0;
  while ((end = bytes_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) {
      reply.status = errno == EAGAIN && !bytes_.empty() ? -1 : 0;
      return reply;
    }
  }
  reply.head = bytes_.substr(0, end + 2);
  bytes_.erase(0, end + 4);
  reply.status = static_cast<int>(parse_integer(reply.head.substr(9, 3)).value_or(-1));
  const auto length = parse_integer(reply.header("Content-Length")).value_or(0);
  if (!is_head && reply.status != 304) {
    while (std::cmp_less(bytes_.size(), length)) {
      if (!read_more()) {
        reply.status = -1;
        return reply;
      }
    }
    reply.body = bytes_.substr(0, static_cast<std::size_t>(length));
    bytes_.erase(0, static_cast<std::size_t>(length));
  }
  return reply;
}

Reply Client::ask(std::string_view method, std::string_view target, std::string_view headers,
                  std::string_view body) {
  std::string request(method);
  request += ' ';
  request += target;
  request += " HTTP/1.1\r\nHost: localhost\r\n";
  request += headers;
  if (!body.empty()) {
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  request += "\r\n";
  request += body;
  send(request);
  return reply(method == "HEAD");
}

bool Client::is_closed() {
  errno = 0;
  while (read_more()) {
  }
  return errno != EAGAIN;
}

bool Client::reads(std::string_view text) {
  for (;;) {
    const std::size_t found = bytes_.find(text);
    if (found != std::string::npos) {
      bytes_.erase(0, found + text.size());
      return true;
    }
    if (!read_more()) {
      return false;
    }
  }
}

void Client::end() { ::shutdown(fd_.get(), SHUT_WR); }

void Client::vanish() {
  const linger at_once{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  fd_.reset();
}

std::string Client::certificate_name() const {
  const Owned<X509> certificate(SSL_get1_peer_certificate(tls_->ssl.get()));
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

std::string Client::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(tls_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool eventually(const std::function<bool()>& it) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(kWaitSeconds);
  while (!it()) {
    if (std::chrono::steady_clock::now() > until) {
      return false;
    }
    ::poll(nullptr, 0, 1);
  }
  return true;
}

TlsOptions make_certificate(const std::string& folder, const std::string& name) {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const Owned<BIO> pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(pem.get(), certificate.get());
  const Owned<BIO> key_pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  TlsOptions options{.certificate = folder + "/server.pem", .key = folder + "/server.key"};
  write_file_atomically(options.key, text_of(*key_pem), false);
  write_file_atomically(options.certificate, text_of(*pem), false);
  return options;
}

}  // namespace millrace::http::testing
