// The way back to a thread of the server, for whoever may come after it has ended.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "http/internal/asio.h"

namespace millrace::http {

/// Outlives its worker. Thread-safe.
class Gate {
 public:
  explicit Gate(asio::io_context& io) : io_(&io) {}

  /// Runs it on the worker's thread, soon. After close() it is dropped.
  template <class Work>
  void post(Work work) {
    const std::lock_guard lock(mutex_);
    if (io_ != nullptr) {
      asio::post(*io_, std::move(work));
    }
  }
  void close() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
  }

  /// To be called by the worker's thread, first.
  void enter() { thread_ = std::this_thread::get_id(); }
  /// Whether this is the worker's thread; then the worker lives.
  [[nodiscard]] bool is_here() const noexcept {
    return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

 private:
  std::mutex mutex_;
  asio::io_context* io_;
  std::atomic<std::thread::id> thread_{};
};

}  // namespace millrace::http
