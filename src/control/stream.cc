#include "control/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace millrace::control {

Stream::Stream(Options options, std::string epoch)
    : options_(options),
      epoch_(std::move(epoch)),
      thread_([this](const std::stop_token& stop) { flush(stop); }) {}

Stream::~Stream() {
  thread_.request_stop();
  thread_.join();
  for (const auto& client : clients_) {
    client->close();
  }
}

std::string Stream::frame_of(std::int64_t number, std::string_view event,
                             std::string_view json) const {
  return fmt::format("id: {}-{}\nevent: {}\ndata: {}\n\n", epoch_, number, event, json);
}

void Stream::send(std::string_view event, std::string_view json) {
  const std::lock_guard guard(lock_);
  send_locked(event, json);
}

void Stream::send_locked(std::string_view event, std::string_view json) {
  events_.push_back({++last_, frame_of(last_, event, json)});
  bytes_ += events_.back().frame.size();
  while (events_.size() > options_.events_max ||
         (bytes_ > options_.bytes_max && events_.size() > 1)) {
    bytes_ -= events_.front().frame.size();
    events_.pop_front();
  }
  std::erase_if(clients_, [&](const auto& client) { return !client->send(events_.back().frame); });
}

void Stream::send_batch(const std::string& pipeline, std::string_view line) {
  const std::lock_guard guard(lock_);
  auto& merged = merged_[pipeline];
  const auto now = Steady::now();
  if (merged.count == 0 && now >= merged.due) {
    merged.due = now + options_.batch_interval;
    send_locked("batch", line);
    return;
  }
  merged.line = line;
  merged.count++;
  if (merged.count == 1) {
    changed_.notify_all();
  }
}

void Stream::flush(const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  while (!stop.stop_requested()) {
    const auto now = Steady::now();
    auto next = Steady::time_point::max();
    for (auto& [pipeline, merged] : merged_) {
      if (merged.count == 0) {
        continue;
      }
      if (now < merged.due) {
        next = std::min(next, merged.due);
        continue;
      }
      merged.due = now + options_.batch_interval;
      if (merged.count > 1) {
        merged.line.pop_back();
        merged.line += fmt::format(R"(,"merged":{}}})", merged.count);
      }
      merged.count = 0;
      send_locked("batch", std::exchange(merged.line, ""));
    }
    if (next == Steady::time_point::max()) {
      changed_.wait(guard, stop, [this] {
        return std::ranges::any_of(merged_, [](const auto& m) { return m.second.count > 0; });
      });
    } else {
      changed_.wait_until(guard, stop, next, [] { return false; });
    }
  }
}

void Stream::add(std::shared_ptr<http::EventStream> client, std::string_view last_id) {
  const std::lock_guard guard(lock_);
  if (!last_id.empty()) {
    const auto dash = last_id.rfind('-');
    const auto number = dash == std::string_view::npos || last_id.substr(0, dash) != epoch_
                            ? std::nullopt
                            : parse_integer(last_id.substr(dash + 1));
    const auto first = events_.empty() ? last_ + 1 : events_.front().number;
    if (!number || *number > last_ || *number + 1 < first) {
      client->send(frame_of(last_, "reset", "{}"));
    } else {
      for (const auto& event : events_) {
        if (event.number > *number && !client->send(event.frame)) {
          return;
        }
      }
    }
  } else {
    client->send(frame_of(last_, "hello", "{}"));  // an id to come back with
  }
  clients_.push_back(std::move(client));
}

std::size_t Stream::clients() const {
  const std::lock_guard guard(lock_);
  return static_cast<std::size_t>(
      std::ranges::count_if(clients_, [](const auto& client) { return client->is_open(); }));
}

}  // namespace millrace::control
