// Requests to a schema registry: which of its URLs answers, and what happens while none does.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/options.h"
#include "connectors/kafka/registry_answers.h"

namespace millrace::kafka {

/// Where a registry is, and who we are there.
struct RegistryOptions {
  std::vector<std::string> urls;  ///< of the same registry, tried in turn
  std::string username;           ///< empty: we don't say who we are
  Secret password;
  std::string tls_ca;  ///< file of certificates (PEM) whom to trust; empty: those of the system
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds request_timeout{30'000};  ///< of one attempt
  std::chrono::milliseconds retry_first{50};          ///< after this, then twice as long each time
  std::chrono::milliseconds retry_most{5'000};
  std::chrono::milliseconds unknown_for{30'000};  ///< how long a "no such schema" is believed
};

/// An HTTP client for one registry. Thread-safe; sends one request at a time.
class RegistryHttp {
 public:
  /// Throws Error (user) if there is no URL, or one that can't be used.
  explicit RegistryHttp(RegistryOptions options);

  /// Sends a request (a POST if there is a body) until one of the URLs answers: what may pass (no
  /// connection, timeouts, 408, 429, 5xx) is said in the log once and tried again, for ever. Throws
  /// Error for what needs somebody to act; and when `stop` was requested, which takes up to a
  /// second to be seen. `path` begins with a slash.
  [[nodiscard]] RegistryAnswer send(const std::string& path, const std::optional<std::string>& body,
                                    const std::stop_token& stop);

 private:
  struct Free {
    void operator()(void* curl) const noexcept;
  };
  struct FreeList {
    void operator()(void* list) const noexcept;
  };

  void set_up();
  [[nodiscard]] std::optional<RegistryAnswer> attempt(std::string url,
                                                      const std::optional<std::string>& body,
                                                      const std::stop_token& stop,
                                                      std::string& trouble);
  [[nodiscard]] std::optional<RegistryAnswer> ask(const std::string& url,
                                                  const std::optional<std::string>& body,
                                                  const std::stop_token& stop,
                                                  std::string& trouble);
  void note(const std::string& trouble);
  void note_over();

  RegistryOptions options_;
  std::mutex lock_;  // guards what follows
  std::condition_variable_any waiting_;
  std::unique_ptr<void, FreeList> headers_;
  std::unique_ptr<void, Free> curl_;
  std::size_t good_ = 0;  // the URL that answered last
  bool in_trouble_ = false;
};

}  // namespace millrace::kafka
