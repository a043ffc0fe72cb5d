// The threads that answer what takes longer than a server's thread may, and their bounded queue.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace::control {

class Jobs {
 public:
  using Job = std::move_only_function<void()>;

  Jobs(std::size_t threads, std::size_t queue_max) : queue_max_(queue_max) {
    threads_.reserve(threads);
    for (std::size_t i = 0; i < threads; i++) {
      threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
  }

  /// False: too many wait already, and the job is as it was. Jobs must not throw.
  [[nodiscard]] bool submit(Job& job) {
    {
      const std::lock_guard guard(lock_);
      if (queue_.size() >= queue_max_) {
        return false;
      }
      queue_.push_back(std::move(job));
    }
    changed_.notify_one();
    return true;
  }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock guard(lock_);
    while (changed_.wait(guard, stop, [this] { return !queue_.empty(); }) &&
           !stop.stop_requested()) {
      auto job = std::move(queue_.front());
      queue_.pop_front();
      guard.unlock();
      job();
      guard.lock();
    }
  }

  std::size_t queue_max_;
  std::mutex lock_;
  std::condition_variable_any changed_;
  std::deque<Job> queue_;
  std::vector<std::jthread> threads_;  // last: they use the others
};

}  // namespace millrace::control
