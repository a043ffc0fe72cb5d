#include "connectors/cassandra/protocol/socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace millrace::cassandra {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kReadsMax = 16;  // before others have their turn

[[noreturn]] void fail(const std::string& text) { throw Error(Blame::external, text, Retry::yes); }

/// Waits until the socket can be read or written, as `events` say.
void wait_for(int fd, short events, Clock::time_point until, const std::stop_token& stop,
              const std::string& what) {
  for (;;) {
    if (stop.stop_requested()) {
      throw Stopped();
    }
    const auto now = Clock::now();
    if (now >= until) {
      fail(what + ": no answer in time");
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    pollfd one{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::min(left, kStopCheck).count()));
    if (ready > 0) {
      return;
    }
    if (ready < 0 && errno != EINTR) {
      fail(fmt::format("{}: {}", what, errno_text(errno)));
    }
  }
}

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

}  // namespace

std::string Endpoint::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Socket::Socket(const Endpoint& to, const TlsContext* tls, std::chrono::milliseconds timeout,
               const std::stop_token& stop) {
  const auto until = Clock::now() + timeout;
  connect(to, until, stop);
  if (tls != nullptr) {
    ssl_ = tls->make(fd_, to.host);
    greet(to, until, stop);
  }
}

Socket::~Socket() {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // says goodbye, and waits for nothing
    ERR_clear_error();
  }
}

void Socket::connect(const Endpoint& to, Clock::time_point until, const std::stop_token& stop) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int problem =
      ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  if (problem != 0) {
    fail(fmt::format("{}: {}", to.text(), ::gai_strerror(problem)));
  }
  std::string why;
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    fd_ = UniqueFd(::socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_.is_open()) {
      fail(fmt::format("{}: {}", to.text(), errno_text(errno)));
    }
    if (::connect(fd_.get(), each->ai_addr, each->ai_addrlen) != 0 && errno != EINPROGRESS) {
      why = errno_text(errno);
      continue;
    }
    wait_for(fd_.get(), POLLOUT, until, stop, to.text());
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) {
      const int on = 1;
      ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
      return;
    }
    why = errno_text(error);
  }
  fail(fmt::format("{}: {}", to.text(), why));
}

void Socket::greet(const Endpoint& to, Clock::time_point until, const std::stop_token& stop) {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_connect(ssl_.get());
    if (done == 1) {
      return;
    }
    const int why = SSL_get_error(ssl_.get(), done);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
      wait_for(fd_.get(), why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until, stop,
               to.text() + ": greeting by TLS");
      continue;
    }
    if (const auto problem = SSL_get_verify_result(ssl_.get()); problem != X509_V_OK) {
      ERR_clear_error();
      throw Error(Blame::user,
                  fmt::format("{}: its certificate is not trusted: {}; if this server is to be "
                              "trusted, name the file with the certificate of its authority in "
                              "`tls_ca`, and the name it is for in `tls_server_name`",
                              to.text(), X509_verify_cert_error_string(problem)));
    }
    fail(fmt::format("{}: greeting by TLS: {}", to.text(),
                     why == SSL_ERROR_SYSCALL ? std::string("the connection was closed; does the "
                                                            "server speak TLS there?")
                                              : openssl_problem()));
  }
}

bool Socket::receive(std::string& to) {
  bool came = false;
  for (std::size_t reads = 0; reads < kReadsMax; ++reads) {
    const auto before = to.size();
    to.resize(before + kReadBytes);
    ssize_t count = 0;
    bool empty = false;
    std::string problem;
    if (ssl_ == nullptr) {
      count = ::recv(fd_.get(), to.data() + before, kReadBytes, 0);
      empty = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
      problem = count < 0 && !empty ? errno_text(errno) : "";
    } else {
      ERR_clear_error();
      count = SSL_read(ssl_.get(), to.data() + before, static_cast<int>(kReadBytes));
      const int why =
          count > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), static_cast<int>(count));
      empty = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
      problem = why == SSL_ERROR_SSL ? openssl_problem() : "";
    }
    to.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (empty) {
      return came;
    }
    if (count <= 0) {
      if (came) {
        return true;  // what came is read first; the next call says that it is over
      }
      fail(problem.empty() ? "the connection was closed" : problem);
    }
    came = true;
    if (ssl_ == nullptr && std::cmp_less(count, kReadBytes)) {
      return true;
    }
  }
  return came;
}

void Socket::send(std::string_view bytes) {
  if (sent_ > 0 && sent_ == outgoing_.size()) {
    outgoing_.clear();
    sent_ = 0;
  }
  outgoing_ += bytes;
  flush();
}

void Socket::flush() {
  while (unsent() > 0) {
    const char* from = outgoing_.data() + sent_;
    ssize_t count = 0;
    if (ssl_ == nullptr) {
      count = ::send(fd_.get(), from, unsent(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        fail(errno_text(errno));
      }
    } else {
      ERR_clear_error();
      const auto most = std::min<std::size_t>(unsent(), std::size_t{1} << 30);
      count = SSL_write(ssl_.get(), from, static_cast<int>(most));
      const int why =
          count > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), static_cast<int>(count));
      if (count <= 0 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        fail(why == SSL_ERROR_SSL ? openssl_problem() : "the connection was closed");
      }
    }
    if (count <= 0) {
      return;
    }
    sent_ += static_cast<std::size_t>(count);
  }
}

short Socket::events() const noexcept {
  return static_cast<short>(unsent() > 0 ? POLLIN | POLLOUT : POLLIN);
}

}  // namespace millrace::cassandra
