#include "runtime/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

namespace millrace {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Asked of this process, not of one that has started it.
std::optional<std::chrono::microseconds> watchdog_of_environment() {
  const auto us = parse_integer(environment("WATCHDOG_USEC"));
  const auto pid = environment("WATCHDOG_PID");
  if (!us || *us <= 0 || (!pid.empty() && parse_integer(pid) != ::getpid())) {
    return std::nullopt;
  }
  return std::chrono::microseconds(*us);
}

/// A status is one line.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (auto& c : line) {
    c = c == '\n' ? ' ' : c;
  }
  return line;
}

}  // namespace

ServiceManager::ServiceManager()
    : ServiceManager(environment("NOTIFY_SOCKET"), watchdog_of_environment()) {}

void ServiceManager::ready(std::string_view status) const {
  send(fmt::format("READY=1\nSTATUS={}", one_line(status)));
}

/// The time is for managers who wait for the READY=1 after it (Type=notify-reload).
void ServiceManager::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                   std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000));
}

void ServiceManager::stopping(std::string_view status) const {
  send(fmt::format("STOPPING=1\nSTATUS={}", one_line(status)));
}

void ServiceManager::status(std::string_view text) const {
  send(fmt::format("STATUS={}", one_line(text)));
}

void ServiceManager::alive() const { send("WATCHDOG=1"); }

void ServiceManager::send(const std::string& message) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) {
    return;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  auto length = offsetof(sockaddr_un, sun_path) + socket_.size();
  if (socket_.front() == '@') {
    address.sun_path[0] = '\0';
  } else {
    length++;
  }
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // A manager reads soon; one that does not must not stop us.
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const auto sent = fd.is_open() ? ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                                            reinterpret_cast<const sockaddr*>(&address),
                                            static_cast<socklen_t>(length))
                                 : -1;
  if (sent < 0) {
    Log().debug("the service manager at {} was not told: {}", socket_, errno_text(errno));
  }
}

}  // namespace millrace
