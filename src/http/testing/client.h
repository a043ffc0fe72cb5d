// A client of tests, as good or as bad as they want it: bytes to a server, and its answers.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"
#include "http/message.h"
#include "http/options.h"

namespace millrace::http::testing {

/// Answers by a function.
class Answering final : public Handler {
 public:
  using Answer = std::function<void(Request, Responder)>;
  explicit Answering(Answer answer) : answer_(std::move(answer)) {}
  void handle(Request request, Responder respond) override {
    answer_(std::move(request), std::move(respond));
  }

 private:
  Answer answer_;
};

/// A server at a port of its own that logs nothing.
[[nodiscard]] inline ServerOptions quiet() {
  return {.listen = "127.0.0.1:0", .access_log = AccessLogMode::off};
}

/// A text as an answer.
[[nodiscard]] Response text_answer(std::string text);

struct Reply {
  int status = 0;  ///< 0: the server has closed without one
  std::string head;
  std::string body;

  /// The value of the first header of this name; empty: there is none.
  [[nodiscard]] std::string header(std::string_view name) const;
};

class Client {
 public:
  explicit Client(const Address& server);
  /// Through TLS, with a certificate that is not checked. `version`: the newest to use.
  Client(const Address& server, int version, std::string_view protocols = "");
  ~Client();
  Client(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False: the server has closed.
  bool send(std::string_view bytes);
  /// One answer; those of HEAD have no body. Waits 20 s at most; then its status is -1.
  [[nodiscard]] Reply reply(bool is_head = false);
  /// Sends "METHOD target HTTP/1.1", Host, the headers (each with its line end) and reads.
  [[nodiscard]] Reply ask(std::string_view method, std::string_view target,
                          std::string_view headers = "", std::string_view body = "");
  [[nodiscard]] Reply get(std::string_view target, std::string_view headers = "") {
    return ask("GET", target, headers);
  }
  /// Reads until the server closes; false: it does not.
  [[nodiscard]] bool is_closed();
  /// Reads until what was read and not yet taken holds `text`, and takes it; false: the end comes
  /// before.
  [[nodiscard]] bool reads(std::string_view text);
  /// Ends our side.
  void end();
  /// Goes without a word: the server sees a reset.
  void vanish();
  /// The name (CN) in the server's certificate.
  [[nodiscard]] std::string certificate_name() const;
  [[nodiscard]] std::string protocol() const;
  [[nodiscard]] bool is_connected() const noexcept { return connected_; }

 private:
  bool read_more();
  void connect(const Address& server);

  UniqueFd fd_;
  bool connected_ = true;
  struct Tls;
  std::unique_ptr<Tls> tls_;
  std::string bytes_;
};

/// Waits until it is so; false: it is not after 20 s.
[[nodiscard]] bool eventually(const std::function<bool()>& it);

/// Writes NAME.pem and NAME.key into a folder: a certificate for `name`, signed by itself.
TlsOptions make_certificate(const std::string& folder, const std::string& name);

}  // namespace millrace::http::testing
