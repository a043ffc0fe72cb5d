#include "runtime/signals.h"

#include <csignal>
#include <ctime>

#include <unistd.h>

namespace millrace {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

SignalStop::SignalStop() {
  const auto set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::jthread([this](const std::stop_token& closing) { wait_for_signals(closing); });
}

SignalStop::~SignalStop() {
  thread_.request_stop();
  thread_.join();
  const auto set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void SignalStop::wait_for_signals(const std::stop_token& closing) {
  const auto set = stop_signals();
  const timespec patience{.tv_sec = 0, .tv_nsec = 100'000'000};
  while (!closing.stop_requested()) {
    const int got = sigtimedwait(&set, nullptr, &patience);
    if (got <= 0) {
      continue;
    }
    if (stop_.stop_requested()) {
      _exit(128 + got);
    }
    signal_ = got;
    stop_.request_stop();
  }
}

}  // namespace millrace
