#include "base/retry.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace millrace {

bool Retrier::is_worth_waiting(const Error& error, Attempts& attempts) const {
  if (error.retry() == Retry::no) {
    return false;
  }
  if (options_.patience &&
      std::chrono::steady_clock::now() - attempts.since >= *options_.patience) {
    return false;
  }
  retries_.fetch_add(1);
  tell_(error.what());
  if (attempts.failed++ == 0) {
    log_.warn("{}; trying again", error.what());
  }
  return true;
}

void Retrier::pause(const Attempts& attempts) const {
  const auto doublings = std::min(attempts.failed - 1, 16);
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any stopped;
  stopped.wait_for(guard, stop_,
                   std::min(options_.first_pause * (1 << doublings), options_.longest_pause),
                   [] { return false; });
  if (stop_.stop_requested()) {
    throw Stopped();
  }
}

}  // namespace millrace
