// Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once. SIGHUP: reload.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

#include "base/files.h"

namespace millrace {

/// Turns SIGINT and SIGTERM into a stop request. One at a time in a process, made before any other
/// thread, so that all threads inherit the blocked signals. A second signal while the first is
/// being obeyed ends the process at once with the usual status (128 + signal); the checkpoint makes
/// that safe.
class SignalStop {
 public:
  /// `on_hangup`: SIGHUP calls it, on a thread that must not be kept; empty: it ends the process.
  explicit SignalStop(std::function<void()> on_hangup = {});
  ~SignalStop();
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;

  [[nodiscard]] std::stop_token token() const noexcept { return stop_.get_token(); }
  /// The signal that asked for the stop; 0: none.
  [[nodiscard]] int signal() const noexcept { return signal_.load(); }

 private:
  void wait_for_signals();

  std::function<void()> on_hangup_;
  UniqueFd signals_;
  UniqueFd closing_;  ///< an eventfd: wakes the thread up to end
  std::stop_source stop_;
  std::atomic<int> signal_{0};
  std::jthread thread_;
};

}  // namespace millrace
