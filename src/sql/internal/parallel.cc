#include "sql/internal/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

namespace millrace::sql {

namespace {

using duckdb::idx_t;

/// What all threads of one call look at.
struct Shared {
  const std::function<void(idx_t)>& call;
  idx_t count;
  std::atomic<idx_t> next = 0;
  std::mutex lock;
  std::exception_ptr failure;  // under the lock
  // DuckDB counts the tasks too, but its code is not instrumented: ThreadSanitizer must see it.
  std::atomic<idx_t> ended = 0;

  void work() {
    for (idx_t i = next++; i < count; i = next++) {
      try {
        call(i);
      } catch (...) {  // DuckDB would make its own exception of it
        const std::lock_guard guard(lock);
        failure = failure != nullptr ? failure : std::current_exception();
        next = count;
      }
    }
    ended.fetch_add(1, std::memory_order_release);
  }
};

class WorkTask : public duckdb::BaseExecutorTask {
 public:
  WorkTask(duckdb::TaskExecutor& executor, Shared& shared)
      : BaseExecutorTask(executor), shared_(shared) {}
  void ExecuteTask() override { shared_.work(); }

 private:
  Shared& shared_;
};

}  // namespace

void for_each_in_parallel(duckdb::ClientContext& context, idx_t count,
                          const std::function<void(idx_t)>& call) {
  Shared shared{.call = call, .count = count};
  const auto threads =
      static_cast<idx_t>(duckdb::TaskScheduler::GetScheduler(context).NumberOfThreads());
  if (threads == 1 || count <= 1) {
    shared.work();
  } else {
    duckdb::TaskExecutor executor(context);
    for (idx_t i = 0; i < std::min(threads, count); ++i) {
      executor.ScheduleTask(duckdb::make_uniq<WorkTask>(executor, shared));
    }
    executor.WorkOnTasks();
    (void)shared.ended.load(std::memory_order_acquire);
  }
  if (shared.failure) {
    std::rethrow_exception(shared.failure);
  }
}

}  // namespace millrace::sql
