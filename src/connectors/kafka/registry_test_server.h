// An HTTP server for tests that gives the answers it was told to.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace millrace::kafka {

struct Scripted {
  int status = 200;
  std::string body;
  std::string headers;     ///< each with its line end
  std::string raw;         ///< instead of all that
  bool is_silent = false;  ///< takes the request and leaves it at that
};

/// One connection at a time. Functions are thread-safe.
class FakeRegistry {
 public:
  FakeRegistry() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    if (::bind(socket_.get(), generic, size) != 0 || ::listen(socket_.get(), 16) != 0 ||
        ::getsockname(socket_.get(), generic, &size) != 0) {
      throw Error(Blame::external, "no socket for a test");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { run(); });
  }
  ~FakeRegistry() { ::shutdown(socket_.get(), SHUT_RDWR); }
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  [[nodiscard]] std::string url(std::string_view host = "127.0.0.1") const {
    return fmt::format("http://{}:{}", host, port_);
  }
  /// The answers to "GET /subjects", one after the other; the last one is given again and again.
  void answer(const std::string& request, std::deque<Scripted> answers) {
    const std::lock_guard guard(lock_);
    answers_[request] = std::move(answers);
  }
  void good(const std::string& request, const nlohmann::json& body) {
    answer(request, {{.body = body.dump()}});
  }
  /// Called with each request before it is answered.
  void on_request(std::function<void()> call) {
    const std::lock_guard guard(lock_);
    on_request_ = std::move(call);
  }
  /// Requests as they came.
  [[nodiscard]] std::vector<std::string> requests() {
    const std::lock_guard guard(lock_);
    return requests_;
  }
  [[nodiscard]] std::size_t count() { return requests().size(); }

 private:
  void run() {
    while (true) {
      const UniqueFd peer(::accept(socket_.get(), nullptr, nullptr));
      if (!peer.is_open()) {
        return;
      }
      std::string request;
      while (!is_whole(request)) {
        std::array<char, 4096> bytes{};
        const auto count = ::recv(peer.get(), bytes.data(), bytes.size(), 0);
        if (count <= 0) {
          break;
        }
        request.append(bytes.data(), static_cast<std::size_t>(count));
      }
      const Scripted scripted = next(request);
      if (scripted.is_silent) {
        silent_.push_back(::dup(peer.get()));
      }
      write(peer.get(), scripted);
    }
  }

  static bool is_whole(const std::string& request) {
    const auto end = request.find("\r\n\r\n");
    if (end == std::string::npos) {
      return false;
    }
    const auto length = request.find("Content-Length: ");
    return length == std::string::npos ||
           request.size() >= end + 4 + std::stoul(request.substr(length + 16));
  }

  Scripted next(const std::string& request) {
    const std::lock_guard guard(lock_);
    requests_.push_back(request);
    if (on_request_) {
      on_request_();
    }
    const auto found = answers_.find(request.substr(0, request.find(" HTTP/")));
    if (found == answers_.end()) {
      return {.status = 404, .body = "<html>no such page</html>"};
    }
    Scripted scripted = found->second.front();
    if (found->second.size() > 1) {
      found->second.pop_front();
    }
    return scripted;
  }

  static void write(int peer, const Scripted& scripted) {
    std::string text = scripted.raw;
    if (text.empty() && !scripted.is_silent) {
      text = fmt::format("HTTP/1.1 {} Word\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}",
                         scripted.status, scripted.body.size(), scripted.headers, scripted.body);
    }
    for (std::string_view rest = text; !rest.empty();) {
      const auto count = ::send(peer, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (count <= 0) {
        return;  // it has had enough
      }
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  struct Silent : std::vector<int> {
    ~Silent() { std::ranges::for_each(*this, ::close); }
  };

  UniqueFd socket_;
  int port_ = 0;
  std::mutex lock_;
  std::map<std::string, std::deque<Scripted>> answers_;
  std::vector<std::string> requests_;
  std::function<void()> on_request_;
  Silent silent_;
  std::jthread thread_;
};

}  // namespace millrace::kafka
