#include "sql/internal/parallel.h"

#include <algorithm>
#include <utility>

namespace millrace::sql {

using duckdb::idx_t;

class Tasks::Task : public duckdb::BaseExecutorTask {
 public:
  Task(duckdb::TaskExecutor& executor, Tasks& tasks, std::function<void()> work)
      : BaseExecutorTask(executor), tasks_(tasks), work_(std::move(work)) {
    given_.store(true, std::memory_order_release);
  }
  void ExecuteTask() override {
    (void)given_.load(std::memory_order_acquire);
    tasks_.run(work_);
  }

 private:
  Tasks& tasks_;
  std::function<void()> work_;
  std::atomic<bool> given_ = false;
};

Tasks::~Tasks() {
  try {
    wait();
  } catch (...) {  // NOLINT(bugprone-empty-catch): who did not wait has failed already
  }
}

void Tasks::add(std::function<void()> work) {
  executor_.ScheduleTask(duckdb::make_uniq<Task>(executor_, *this, std::move(work)));
}

void Tasks::run(const std::function<void()>& work) {
  if (!failed_) {
    try {
      work();
    } catch (...) {  // DuckDB would make its own exception of it
      const std::lock_guard guard(lock_);
      failure_ = failure_ == nullptr ? std::current_exception() : failure_;
      failed_ = true;
    }
  }
  ended_.fetch_add(1, std::memory_order_release);
}

void Tasks::wait() {
  executor_.WorkOnTasks();
  (void)ended_.load(std::memory_order_acquire);
  const std::lock_guard guard(lock_);
  if (failure_ != nullptr) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void for_each_in_parallel(duckdb::ClientContext& context, idx_t count,
                          const std::function<void(idx_t)>& call) {
  const auto threads =
      static_cast<idx_t>(duckdb::TaskScheduler::GetScheduler(context).NumberOfThreads());
  std::atomic<idx_t> next = 0;
  const auto work = [&] {
    for (idx_t i = next++; i < count; i = next++) {
      call(i);
    }
  };
  if (threads == 1 || count <= 1) {
    work();
    return;
  }
  Tasks tasks(context);
  for (idx_t i = 0; i < std::min(threads, count); ++i) {
    tasks.add([&] {
      try {
        work();
      } catch (...) {
        next = count;  // the others end with what they are at
        throw;
      }
    });
  }
  tasks.wait();
}

}  // namespace millrace::sql
