// Keeps requests from waiting, one after the other, for a system outside that is away.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"

namespace millrace::serve {

/// Thread-safe. After a call that failed for the system, one call after each pause finds out
/// whether it is back; all others are told at once.
class Breaker {
 public:
  explicit Breaker(std::chrono::milliseconds pause = std::chrono::seconds(1)) : pause_(pause) {}

  /// Throws what `call` throws, or, of the system's, what the last one threw.
  template <class Call>
  void operator()(const Call& call) {
    enter();
    try {
      call();
      leave("");
    } catch (const Stopped&) {
      leave("");
      throw;
    } catch (const Error& error) {
      leave(error.blame() == Blame::external ? error.what() : "");
      throw;
    } catch (...) {
      leave("");
      throw;
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  void enter() {
    const std::lock_guard guard(lock_);
    if (!why_.empty() && (is_tried_ || Clock::now() < next_try_)) {
      throw Error(Blame::external, why_, Retry::yes);
    }
    is_tried_ = true;
  }
  void leave(std::string why) {
    const std::lock_guard guard(lock_);
    is_tried_ = false;
    why_ = std::move(why);
    next_try_ = Clock::now() + pause_;
  }

  const std::chrono::milliseconds pause_;
  std::mutex lock_;
  std::string why_;        // it is away; empty: it is there
  bool is_tried_ = false;  // while it is away, by one call
  Clock::time_point next_try_;
};

}  // namespace millrace::serve
