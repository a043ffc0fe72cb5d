// What happens when a batch becomes visible: on a thread of its own, since commits do not wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "serve/timer.h"
#include "sql/live_tables.h"

namespace millrace::serve {

/// Thread-safe.
class Commits {
 public:
  /// `each` is called after commits, on the thread; several commits may be one call. The tables and
  /// the timer outlive it.
  Commits(sql::LiveTables& tables, Timer& timer, std::function<void()> each);
  ~Commits();
  Commits(const Commits&) = delete;
  Commits& operator=(const Commits&) = delete;

  /// Calls back once: when the batch is visible, or with false when `until` has come.
  using Call = std::function<void(bool visible)>;
  void wait_for(std::int64_t batch, std::chrono::steady_clock::time_point until, Call call);
  /// Has `each` called soon, also without a commit.
  void wake();

 private:
  struct Waiting {
    Call call;
    Timer::Handle timeout;
  };
  void run(const std::stop_token& stop);
  void release(std::int64_t batch);
  void give_up(std::uint64_t number);

  sql::LiveTables& tables_;
  Timer& timer_;
  std::function<void()> each_;
  std::mutex lock_;
  std::condition_variable_any changed_;
  bool is_woken_ = false;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::pair<std::int64_t, Waiting>> waiting_;  // by number: its batch
  sql::LiveTables::Handle handle_;
  std::jthread thread_;
};

}  // namespace millrace::serve
