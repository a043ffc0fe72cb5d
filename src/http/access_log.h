// One line a request, written by a thread of its own: a log that is slow makes no answer slow.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "http/options.h"

namespace millrace::http {

/// A request that was answered.
struct AccessEntry {
  std::string_view client;
  std::string_view user;
  std::string_view method;
  std::string_view target;  ///< as it came
  int status = 0;
  std::int64_t bytes = 0;  ///< of the answer
  std::chrono::microseconds took{};
};

/// Thread-safe. At most 4,096 lines wait; more are dropped, counted, and the log says so.
class AccessLog {
 public:
  explicit AccessLog(AccessLogMode mode);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  [[nodiscard]] bool wants(int status) const noexcept {
    return mode_ == AccessLogMode::all || (mode_ == AccessLogMode::errors && status >= 400);
  }
  void add(const AccessEntry& entry);
  [[nodiscard]] std::int64_t dropped() const;
  /// Writes what waits, and ends the thread. Later lines are dropped.
  void stop();

 private:
  void write_lines();

  AccessLogMode mode_;
  Log log_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::int64_t dropped_ = 0;
  bool stopped_ = false;
  std::thread writer_;
};

}  // namespace millrace::http
