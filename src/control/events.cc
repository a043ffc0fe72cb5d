#include "control/events.h"

#include <algorithm>

namespace millrace::control {

int level_rank(std::string_view level) noexcept {
  return level == "error" ? 2 : level == "warn" ? 1 : 0;
}

void Events::add(std::string level, std::string pipeline, std::optional<std::int64_t> batch,
                 std::string kind, std::string text) {
  LogEvent event{.id = 0,
                 .at_ms = 0,
                 .level = std::move(level),
                 .pipeline = std::move(pipeline),
                 .batch = batch,
                 .kind = std::move(kind),
                 .text = std::move(text)};
  {
    const std::lock_guard guard(lock_);
    // The time is what makes ids unique over restarts.
    const auto now = clock_.now_us();
    last_id_ = std::max(last_id_ + 1, now);
    event.id = last_id_;
    event.at_ms = now / 1000;
    events_.push_back(event);
    if (events_.size() > events_max_) {
      events_.pop_front();
    }
  }
  on_event_(event);
}

void Events::merge(const std::vector<LogEvent>& earlier) {
  const std::lock_guard guard(lock_);
  for (const auto& event : earlier) {
    last_id_ = std::max(last_id_, event.id);
  }
  events_.insert(events_.begin(), earlier.begin(), earlier.end());
  std::ranges::stable_sort(events_, {}, &LogEvent::id);
  const auto more = events_.size() - std::min(events_.size(), events_max_);
  events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(more));
}

std::vector<LogEvent> Events::find(const Filter& filter) const {
  const auto rank = level_rank(filter.level);
  std::vector<LogEvent> found;
  const std::lock_guard guard(lock_);
  for (auto event = events_.rbegin(); event != events_.rend() && found.size() < filter.limit;
       ++event) {
    if (filter.after && event->id <= *filter.after) {
      break;
    }
    if ((filter.pipeline.empty() || event->pipeline == filter.pipeline) &&
        (filter.kind.empty() || event->kind == filter.kind) && level_rank(event->level) >= rank &&
        (!filter.before || event->id < *filter.before)) {
      found.push_back(*event);
    }
  }
  return found;
}

}  // namespace millrace::control
