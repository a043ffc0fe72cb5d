// Calls at given times, on one thread: for deadlines of answers and of those who wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace millrace::serve {

/// Thread-safe.
class Timer {
 public:
  using Call = std::function<void()>;
  /// Nothing is called once its handle is gone; a call may be under way then.
  using Handle = std::shared_ptr<Call>;

  Timer();
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// The call must be short, and may drop its own handle.
  [[nodiscard]] Handle at(std::chrono::steady_clock::time_point time, Call call);
  /// Nothing is called any more when it returns.
  void stop();

 private:
  void run(const std::stop_token& stop);

  std::mutex lock_;
  std::condition_variable_any changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::weak_ptr<Call>> calls_;
  std::jthread thread_;
};

}  // namespace millrace::serve
