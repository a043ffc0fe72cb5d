#include "serve/timer.h"

#include <utility>

namespace millrace::serve {

Timer::Timer() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

Timer::~Timer() = default;

void Timer::stop() {
  thread_.request_stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

Timer::Handle Timer::at(std::chrono::steady_clock::time_point time, Call call) {
  auto handle = std::make_shared<Call>(std::move(call));
  const std::lock_guard guard(lock_);
  const bool is_next = calls_.empty() || time < calls_.begin()->first;
  calls_.emplace(time, handle);
  if (is_next) {
    changed_.notify_one();
  }
  return handle;
}

void Timer::run(const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  while (!stop.stop_requested()) {
    if (calls_.empty()) {
      changed_.wait(guard, stop, [&] { return !calls_.empty(); });
      continue;
    }
    const auto next = calls_.begin()->first;
    if (std::chrono::steady_clock::now() < next) {
      changed_.wait_until(guard, stop, next,
                          [&] { return !calls_.empty() && calls_.begin()->first < next; });
      continue;
    }
    const auto call = calls_.begin()->second.lock();
    calls_.erase(calls_.begin());
    if (call) {
      guard.unlock();
      (*call)();
      guard.lock();
    }
  }
}

}  // namespace millrace::serve
