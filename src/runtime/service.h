// A fleet as a service: it reloads when it is told to, and tells its manager how it goes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "runtime/fleet.h"
#include "runtime/service_manager.h"

namespace millrace {

/// How many pipelines are in which state, and which have failed: "3 running, 1 failed (orders)".
[[nodiscard]] std::string states_text(const std::vector<std::shared_ptr<PipelineHost>>& hosts);

/// Somebody wants a reload, such as who sends a signal. Thread-safe.
class ReloadWish {
 public:
  /// Returns at once.
  void want();
  /// Waits for a wish, and takes it. False: a stop was requested.
  bool wait(const std::stop_token& stop);

 private:
  std::mutex lock_;
  std::condition_variable_any changed_;
  bool is_wanted_ = false;
};

/// Public calls are thread-safe.
class Service {
 public:
  /// All of them outlive it.
  Service(Fleet& fleet, const ServiceManager& manager, ReloadWish& wish)
      : fleet_(fleet), manager_(manager), wish_(wish) {}

  /// Loads all pipelines, says that it is ready, and from then on reloads when it is wished, and
  /// gives signs of life. Once. Throws Error if the folder cannot be read.
  void start();
  /// As Fleet::reload(), but logged and told to the manager. `by`: who asks for it.
  ReloadResult reload(const std::string& by);
  /// As Fleet::stop(), but told to the manager.
  std::vector<std::string> stop(std::chrono::milliseconds timeout, const std::string& by);

 private:
  void obey(const std::stop_token& stop);
  void herald(const std::stop_token& stop) const;

  Fleet& fleet_;
  const ServiceManager& manager_;
  ReloadWish& wish_;
  std::jthread reloader_;
  std::jthread herald_;
};

}  // namespace millrace
