// The events of a process, in memory: for lists, and for those who follow.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "control/history.h"

namespace millrace::control {

/// Bounded; the oldest go. Thread-safe.
class Events {
 public:
  /// `on_event`: called with each, on the thread that adds it.
  Events(const Clock& clock, std::size_t events_max, std::function<void(const LogEvent&)> on_event)
      : clock_(clock), events_max_(events_max), on_event_(std::move(on_event)) {}

  /// Adds one of now, with the next id.
  void add(std::string level, std::string pipeline, std::optional<std::int64_t> batch,
           std::string kind, std::string text);
  /// Puts what an earlier process has kept to where it belongs.
  void merge(const std::vector<LogEvent>& earlier);

  struct Filter {
    std::string pipeline;                ///< empty: all
    std::string level;                   ///< this one and above: "warn" is warn and error
    std::string kind;                    ///< empty: all
    std::optional<std::int64_t> before;  ///< ids
    std::optional<std::int64_t> after;
    std::size_t limit = 200;
  };
  /// The newest first.
  [[nodiscard]] std::vector<LogEvent> find(const Filter& filter) const;

 private:
  const Clock& clock_;
  std::size_t events_max_;
  std::function<void(const LogEvent&)> on_event_;
  mutable std::mutex lock_;  // guards what follows
  std::deque<LogEvent> events_;
  std::int64_t last_id_ = 0;
};

/// 0: info, or unknown; 1: warn; 2: error.
[[nodiscard]] int level_rank(std::string_view level) noexcept;

}  // namespace millrace::control
