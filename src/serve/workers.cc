#include "serve/workers.h"

#include <utility>

namespace millrace::serve {

Workers::Workers(sql::Database& database, std::size_t threads, std::size_t queue_max)
    : database_(database), queue_max_(queue_max) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
  }
}

Workers::~Workers() {
  for (auto& thread : threads_) {
    thread.request_stop();
  }
}

bool Workers::submit(Job& job) {
  const std::lock_guard guard(lock_);
  if (queue_.size() >= queue_max_) {
    return false;
  }
  queue_.push_back(std::move(job));
  changed_.notify_one();
  return true;
}

std::size_t Workers::waiting() const {
  const std::lock_guard guard(lock_);
  return queue_.size();
}

void Workers::run(const std::stop_token& stop) {
  sql::QueryRunner runner(database_);
  std::unique_lock guard(lock_);
  while (changed_.wait(guard, stop, [&] { return !queue_.empty(); }) && !stop.stop_requested()) {
    Job job = std::move(queue_.front());
    queue_.pop_front();
    guard.unlock();
    job(runner, stop);
    job = nullptr;
    guard.lock();
  }
}

}  // namespace millrace::serve
