// HTTP requests by libcurl, on connections that are kept.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  ///< "name: value"
  std::string_view body;             ///< outlives the call
  /// Takes the body of a good answer, which has to have exactly this size. Empty: it comes in
  /// HttpAnswer.
  std::span<char> into;
};

struct HttpAnswer {
  long status = 0;
  std::map<std::string, std::string> headers;  ///< by lower-case name
  std::string body;                            ///< bounded

  [[nodiscard]] bool is_good() const noexcept { return status >= 200 && status < 300; }
  /// Empty: it has none.
  [[nodiscard]] std::string header(const std::string& name) const;
};

/// There was no answer.
struct HttpTrouble {
  std::string text;
  bool is_lasting = false;  ///< somebody has to act
};

struct HttpOptions {
  std::string ca_file;  ///< certificates (PEM) whom to trust; empty: those of the system
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds stall_timeout{30'000};  ///< without a byte, either way
  std::chrono::milliseconds total_timeout{0};       ///< 0: none
  std::ptrdiff_t at_once = 8;
};

/// Thread-safe: as many requests at once as the options say, others wait. Follows no redirects.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Throws Stopped if, after the request to stop, nothing has moved for a second or so.
  [[nodiscard]] std::expected<HttpAnswer, HttpTrouble> send(const HttpRequest& request,
                                                            const std::stop_token& stop);

 private:
  class Connection;

  [[nodiscard]] std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection);

  HttpOptions options_;
  std::counting_semaphore<> free_;
  std::mutex lock_;  // guards what follows
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace millrace
