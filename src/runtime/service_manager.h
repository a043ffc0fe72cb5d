// What a service tells who started it: the protocol of sd_notify(3), which systemd and others
// speak.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// Tells the service manager how it goes. Nothing happens if nobody wants to know. What cannot be
/// told is lost: a service does not depend on who watches it. Thread-safe.
class ServiceManager {
 public:
  /// From the environment: NOTIFY_SOCKET, and WATCHDOG_USEC and WATCHDOG_PID.
  ServiceManager();
  /// `socket`: a path, or "@" and a name of Linux's abstract namespace; empty: nobody listens.
  ServiceManager(std::string socket, std::optional<std::chrono::microseconds> watchdog)
      : socket_(std::move(socket)), watchdog_(watchdog) {}

  /// All pipelines were loaded; also the end of a reload.
  void ready(std::string_view status) const;
  void reloading() const;
  void stopping(std::string_view status) const;
  /// A line for people: `systemctl status` shows it.
  void status(std::string_view text) const;
  /// A sign of life; to be given more often than every watchdog(), if it is wanted.
  void alive() const;
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  void send(const std::string& message) const;

  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace millrace
