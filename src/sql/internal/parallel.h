// Work that DuckDB's threads share.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Tasks for those of DuckDB's threads that have nothing else to do. DuckDB's queue and counters
/// order what is done before a task, in it, and after waiting for it; but its library is not
/// instrumented, so that ThreadSanitizer has to be shown.
class Tasks {
 public:
  explicit Tasks(duckdb::ClientContext& context) : executor_(context) {}
  /// Waits.
  ~Tasks();
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;

  void add(std::function<void()> work);
  /// Takes part in what is left, and returns when all is done. Throws what a task has thrown; those
  /// that had not begun by then are left out.
  void wait();

 private:
  class Task;
  void run(const std::function<void()>& work);

  duckdb::TaskExecutor executor_;
  std::atomic<duckdb::idx_t> ended_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex lock_;
  std::exception_ptr failure_;  // under the lock
};

/// Calls call(0), ..., call(count - 1), each once, from this thread and DuckDB's. Returns when all
/// have returned; after an exception no more are begun, and it is thrown here.
void for_each_in_parallel(duckdb::ClientContext& context, duckdb::idx_t count,
                          const std::function<void(duckdb::idx_t)>& call);

}  // namespace millrace::sql
