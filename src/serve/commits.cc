#include "serve/commits.h"

#include <utility>
#include <vector>

namespace millrace::serve {

Commits::Commits(sql::LiveTables& tables, Timer& timer, std::function<void()> each)
    : tables_(tables),
      timer_(timer),
      each_(std::move(each)),
      handle_(tables.on_commit([this](const sql::LiveVersion&) { wake(); })),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Commits::~Commits() { handle_.reset(); }

void Commits::wake() {
  const std::lock_guard guard(lock_);
  is_woken_ = true;
  changed_.notify_one();
}

void Commits::wait_for(std::int64_t batch, std::chrono::steady_clock::time_point until, Call call) {
  {
    const std::lock_guard guard(lock_);
    const auto number = next_++;
    waiting_.emplace(
        number, std::pair(batch, Waiting{std::move(call),
                                         timer_.at(until, [this, number] { give_up(number); })}));
  }
  if (tables_.snapshot().version().batch >= batch) {
    wake();  // it came meanwhile
  }
}

void Commits::give_up(std::uint64_t number) {
  Waiting given_up;
  {
    const std::lock_guard guard(lock_);
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) {
      return;
    }
    given_up = std::move(found->second.second);
    waiting_.erase(found);
  }
  given_up.call(false);
}

void Commits::run(const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  while (changed_.wait(guard, stop, [&] { return is_woken_; }) && !stop.stop_requested()) {
    is_woken_ = false;
    guard.unlock();
    release(tables_.snapshot().version().batch);
    each_();
    guard.lock();
  }
}

void Commits::release(std::int64_t batch) {
  std::vector<Waiting> released;
  {
    const std::lock_guard guard(lock_);
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      if (at->second.first <= batch) {
        released.push_back(std::move(at->second.second));
        at = waiting_.erase(at);
      } else {
        ++at;
      }
    }
  }
  for (Waiting& each : released) {
    each.call(true);
  }
}

}  // namespace millrace::serve
