// The threads that run queries, and the bounded queue before them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "sql/database.h"
#include "sql/read_query.h"

namespace millrace::serve {

class Workers {
 public:
  /// The token asks to stop when the workers are destroyed.
  using Job = std::move_only_function<void(sql::QueryRunner&, const std::stop_token&)>;

  /// The database outlives it.
  Workers(sql::Database& database, std::size_t threads, std::size_t queue_max);
  /// Jobs that wait are dropped; those that run are asked to stop, and waited for.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// False: too many wait already, and the job is as it was. Jobs must not throw.
  [[nodiscard]] bool submit(Job& job);
  [[nodiscard]] std::size_t waiting() const;

 private:
  void run(const std::stop_token& stop);

  sql::Database& database_;
  std::size_t queue_max_;
  mutable std::mutex lock_;
  std::condition_variable_any changed_;
  std::deque<Job> queue_;
  std::vector<std::jthread> threads_;
};

}  // namespace millrace::serve
