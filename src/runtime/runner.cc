#include "runtime/runner.h"

#include "base/log.h"
#include "core/growing_columns.h"

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;

/// How long to sleep at most when nothing wakes the pipeline: sources that can't tell of news are
/// asked again.
constexpr auto kPatience = std::chrono::seconds(1);

/// When the next batch may start: the multiples of an interval since the start.
class Schedule {
 public:
  explicit Schedule(const TriggerSpec& trigger) : trigger_(trigger), next_(Steady::now()) {}

  /// False if a stop was requested while waiting.
  bool wait(Pipeline& pipeline, const std::stop_token& stop) {
    while (!stop.stop_requested() && Steady::now() < next_) {
      pipeline.wait(stop, next_);
    }
    if (trigger_.kind == TriggerSpec::Kind::interval) {
      const auto now = Steady::now();
      while (next_ <= now) {
        next_ += trigger_.interval;
      }
    }
    return !stop.stop_requested();
  }

 private:
  const TriggerSpec& trigger_;
  Steady::time_point next_;
};

/// Runs batches until there is no more to do, or a stop was requested.
void run_batches(Pipeline& pipeline, const TriggerSpec& trigger, const std::stop_token& stop,
                 const std::function<void(const std::vector<BatchProgress>&)>& report) {
  using Kind = TriggerSpec::Kind;
  const bool to_the_end = trigger.kind == Kind::once || trigger.kind == Kind::available_now;
  if (to_the_end) {
    pipeline.stop_at_present();
  }
  const bool ahead =
      trigger.kind == Kind::as_fast_as_possible || trigger.kind == Kind::available_now;
  Schedule schedule(trigger);
  while (schedule.wait(pipeline, stop)) {
    const auto step = pipeline.step(ahead);
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
    if (trigger.kind == Kind::as_fast_as_possible) {
      pipeline.wait(stop, Steady::now() + kPatience);
    }
  }
  report(pipeline.finish());
}

}  // namespace

RunSummary& RunSummary::operator+=(const RunSummary& next) {
  batches += next.batches;
  input_rows += next.input_rows;
  output_rows += next.output_rows;
  quarantined_rows += next.quarantined_rows;
  refused_rows += next.refused_rows;
  duration += next.duration;
  stopped = next.stopped;
  columns_grew = next.columns_grew;
  return *this;
}

RunSummary run_pipeline(Pipeline& pipeline, const TriggerSpec& trigger, const std::stop_token& stop,
                        const std::function<void(const std::string&)>& on_open,
                        const OnProgress& on_progress, const std::vector<std::string>& rebuild) {
  const auto start = Steady::now();
  RunSummary summary;
  const auto report = [&](const std::vector<BatchProgress>& committed) {
    for (const auto& progress : committed) {
      summary.batches++;
      summary.input_rows += progress.input_rows;
      summary.output_rows += progress.output_rows;
      summary.quarantined_rows += progress.quarantined_rows;
      summary.refused_rows += progress.refused_rows;
      on_progress(progress);
    }
  };
  try {
    if (pipeline.open({.rebuild = rebuild, .say = on_open})) {
      on_open(pipeline.opening());
      run_batches(pipeline, trigger, stop, report);
    }
    summary.stopped = stop.stop_requested();
  } catch (const Stopped&) {  // the batch that waited for a system outside runs again next time
    summary.stopped = true;
  } catch (const ColumnsGrew& grew) {
    Log().info("{}; going on with them", grew.what());
    summary.columns_grew = true;
  }
  pipeline.close();
  summary.duration = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start);
  return summary;
}

}  // namespace millrace
