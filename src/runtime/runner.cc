#include "runtime/runner.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "core/growing_columns.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

/// How long to sleep at most when nothing wakes the pipeline: sources that can't tell of news are
/// asked again.
constexpr auto kPatience = std::chrono::seconds(1);

void sleep(const std::stop_token& wake, Steady::time_point until) {
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any().wait_until(guard, wake, until, [] { return false; });
}

/// When the next batch may start: the multiples of an interval since the start.
class Schedule {
 public:
  explicit Schedule(const TriggerSpec& trigger) : trigger_(trigger), next_(Steady::now()) {}

  [[nodiscard]] Steady::time_point due() const { return next_; }
  /// A batch begins because it is due.
  void begin() {
    const auto now = Steady::now();
    if (trigger_.kind == TriggerSpec::Kind::interval) {
      while (next_ <= now) {
        next_ += trigger_.interval;
      }
    }
  }
  /// There is nothing new.
  void rest() {
    if (trigger_.kind == TriggerSpec::Kind::as_fast_as_possible) {
      resting_until_ = Steady::now() + kPatience;
    }
  }
  /// Waits until a batch is due, or something may be new. False: the guide is to be asked again.
  bool wait(Pipeline& pipeline, const std::stop_token& wake) {
    if (resting_until_) {  // whatever ended it, it is time to look
      pipeline.wait(wake, *std::exchange(resting_until_, std::nullopt));
    } else if (Steady::now() < next_) {
      pipeline.wait(wake, next_);
      sleep(wake, next_);  // news are of no use before
    }
    return !wake.stop_requested() && Steady::now() >= next_;
  }

 private:
  const TriggerSpec& trigger_;
  Steady::time_point next_;
  std::optional<Steady::time_point> resting_until_;
};

/// Runs batches until there is no more to do, or the guide says so.
void run_batches(Pipeline& pipeline, const TriggerSpec& trigger, RunGuide& guide,
                 const std::function<void(const std::vector<BatchProgress>&)>& report) {
  using Kind = TriggerSpec::Kind;
  const bool to_the_end = trigger.kind == Kind::once || trigger.kind == Kind::available_now;
  if (to_the_end) {
    pipeline.stop_at_present();
  }
  const bool ahead =
      trigger.kind == Kind::as_fast_as_possible || trigger.kind == Kind::available_now;
  Schedule schedule(trigger);
  const auto finish = [&] { report(pipeline.finish()); };
  while (true) {
    const auto next = guide.next(pipeline, finish);
    if (next == RunGuide::Next::end) {
      break;
    }
    const bool at_once = next == RunGuide::Next::at_once;
    if (at_once) {
      finish();
    } else if (!schedule.wait(pipeline, guide.wake())) {
      continue;
    } else {
      schedule.begin();
    }
    const auto step = pipeline.step(ahead && !at_once);
    report(step.committed);
    if (step.ran) {
      if (trigger.kind == Kind::once) {
        break;
      }
      continue;
    }
    if (to_the_end || pipeline.finished()) {
      break;
    }
    schedule.rest();
  }
  finish();
}

}  // namespace

RunSummary& RunSummary::operator+=(const RunSummary& next) {
  batches += next.batches;
  input_rows += next.input_rows;
  output_rows += next.output_rows;
  quarantined_rows += next.quarantined_rows;
  refused_rows += next.refused_rows;
  violations += next.violations;
  duration += next.duration;
  stopped = next.stopped;
  columns_grew = next.columns_grew;
  lost = next.lost;
  return *this;
}

RunSummary run_pipeline(Pipeline& pipeline, const TriggerSpec& trigger, const std::stop_token& stop,
                        RunGuide& guide, const std::vector<std::string>& rebuild) {
  const auto start = Steady::now();
  RunSummary summary;
  const auto report = [&](const std::vector<BatchProgress>& committed) {
    for (const auto& progress : committed) {
      summary.batches++;
      summary.input_rows += progress.input_rows;
      summary.output_rows += progress.output_rows;
      summary.quarantined_rows += progress.quarantined_rows;
      summary.refused_rows += progress.refused_rows;
      summary.violations += progress.violations();
      guide.committed(progress);
    }
  };
  try {
    const auto say = [&](const std::string& text) { guide.say(text); };
    if (pipeline.open({.rebuild = rebuild, .say = say})) {
      guide.say(pipeline.opening());
      guide.opened(pipeline);
      try {
        run_batches(pipeline, trigger, guide, report);
      } catch (const Error&) {
        if (const auto failed = pipeline.take_failed()) {
          guide.failed(*failed);
        }
        throw;
      }
    }
    summary.stopped = stop.stop_requested();
  } catch (const Stopped&) {  // the batch that waited for a system outside runs again next time
    summary.stopped = true;
  } catch (const ColumnsGrew& grew) {
    Log().info("{}; going on with them", grew.what());
    summary.columns_grew = true;
  } catch (const Error& error) {
    if (error.retry() == Retry::no) {
      throw;
    }
    summary.lost = error;
    return summary;
  }
  pipeline.close();
  summary.duration = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start);
  return summary;
}

std::chrono::milliseconds Restarts::pause_after(const RunSummary& attempt) {
  constexpr auto kFirstPause = std::chrono::milliseconds(100);
  constexpr auto kLongestPause = std::chrono::milliseconds(10'000);
  if (attempt.batches > 0) {
    in_vain_ = 0;
    last_progress_ = Steady::now();
  } else if (patience_ && Steady::now() - last_progress_ >= *patience_) {
    throw Error(*attempt.lost);
  }
  return std::min(kFirstPause * (1 << std::min(in_vain_++, 10)), kLongestPause);
}

}  // namespace millrace
