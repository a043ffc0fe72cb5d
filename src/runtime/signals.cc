#include "runtime/signals.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

namespace millrace {
namespace {

sigset_t signals_of(bool hangup) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (hangup) {
    sigaddset(&set, SIGHUP);
  }
  return set;
}

}  // namespace

SignalStop::SignalStop(std::function<void()> on_hangup) : on_hangup_(std::move(on_hangup)) {
  const auto set = signals_of(on_hangup_ != nullptr);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
  closing_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.is_open() || !closing_.is_open()) {
    throw_file_error("open", "signalfd", errno);
  }
  thread_ = std::jthread([this] { wait_for_signals(); });
}

SignalStop::~SignalStop() {
  ::eventfd_write(closing_.get(), 1);
  thread_.join();
  const auto set = signals_of(on_hangup_ != nullptr);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void SignalStop::wait_for_signals() {
  std::array<pollfd, 2> fds{{{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                             {.fd = closing_.get(), .events = POLLIN, .revents = 0}}};
  while (fds[1].revents == 0) {
    if (::poll(fds.data(), fds.size(), -1) <= 0 || fds[0].revents == 0) {
      continue;
    }
    signalfd_siginfo got{};
    if (::read(signals_.get(), &got, sizeof(got)) != sizeof(got)) {
      continue;
    }
    const auto signal = static_cast<int>(got.ssi_signo);
    if (signal == SIGHUP) {
      on_hangup_();
      continue;
    }
    if (stop_.stop_requested()) {
      _exit(128 + signal);
    }
    signal_ = signal;
    stop_.request_stop();
  }
}

}  // namespace millrace
