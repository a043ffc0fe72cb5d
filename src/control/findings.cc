#include "control/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>
#include <utility>

#include "base/strings.h"
#include "engine/node_figures.h"
#include "spec/tables.h"

namespace millrace::control {
namespace {

using Severity = Finding::Severity;
using Batches = std::span<const BatchSummary>;

// Fewer batches in a row may be chance.
constexpr std::size_t kInARow = 5;
// Growth is judged over at least so many.
constexpr std::size_t kTrend = 12;

std::string duration(std::int64_t us) { return human_duration(std::chrono::microseconds(us)); }

std::string percent(std::int64_t part, std::int64_t of) {
  const auto share = of == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(of);
  return fmt::format("{:.{}f} %", share, share < 10 ? 1 : 0);
}

/// How many of the last batches all fulfil something.
template <class Is>
std::size_t last_in_a_row(Batches batches, const Is& is) {
  std::size_t count = 0;
  while (count < batches.size() && is(batches[batches.size() - 1 - count])) {
    count++;
  }
  return count;
}

std::int64_t first_of_last(Batches batches, std::size_t count) {
  return batches[batches.size() - count].batch;
}

template <class Key, class Value>
Value value_or(const std::map<Key, Value>& map, const Key& key, Value otherwise = {}) {
  const auto found = map.find(key);
  return found == map.end() ? otherwise : found->second;
}

/// Whether values rise from each third of the batches to the next, on average, and by this factor
/// from the first to the last.
struct Trend {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool rises = false;
};
template <class Of>
Trend trend_of(Batches batches, double factor, const Of& of) {
  if (batches.size() < kTrend) {
    return {};
  }
  std::array<std::int64_t, 3> sums{};
  const auto third = batches.size() / 3;
  for (std::size_t i = 0; i < 3 * third; i++) {
    sums[i / third] += of(batches[batches.size() - 3 * third + i]);
  }
  const auto n = static_cast<std::int64_t>(third);
  const bool rises = sums[0] < sums[1] && sums[1] < sums[2] &&
                     static_cast<double>(sums[2]) >= factor * static_cast<double>(sums[0]);
  return {sums[0] / n, sums[2] / n, rises};
}

/// Makes the findings of one pipeline.
class Finder {
 public:
  Finder(const std::string& pipeline, Batches all, const FindingLimits& limits,
         const std::optional<RunningBatch>& running)
      : pipeline_(pipeline), all_(all), limits_(limits), running_(running) {
    std::ranges::copy_if(all, std::back_inserter(committed_),
                         [](const auto& batch) { return !batch.failure; });
    batches_ = committed_;
  }

  std::vector<Finding> find() {
    failing();
    if (!waiting()) {
      stuck();
    }
    if (!batches_.empty()) {
      falling_behind();
      lagging();
      held_back();
      growing();
      failed_checks();
      late();
      small_files();
    }
    std::ranges::stable_sort(found_, {}, &Finding::severity);
    return std::move(found_);
  }

 private:
  using Troubles = std::vector<RunningBatch::Trouble>;
  struct Kind {
    std::string_view name;
    std::string of = {};
  };
  void add(Severity severity, Kind kind, std::string about, std::string title, std::string detail,
           std::string_view page, std::int64_t since) {
    found_.push_back({severity, kind.name, std::move(kind.of), pipeline_, std::move(about),
                      std::move(title), std::move(detail), fmt::format("/p/{}{}", pipeline_, page),
                      since});
  }
  [[nodiscard]] const BatchSummary& last() const { return batches_.back(); }
  [[nodiscard]] std::string batch_page() const { return fmt::format("/batch?at={}", last().batch); }

  /// Batches that fail, one after the other.
  void failing() {
    const auto count =
        last_in_a_row(all_, [](const auto& batch) { return batch.failure.has_value(); });
    if (count == 0) {
      return;
    }
    const auto& newest = all_.back();
    const auto& failure = *newest.failure;
    const bool retried = failure.retry == Retry::yes;
    add(retried ? Severity::warn : Severity::bad, {retried ? "retrying" : "failing"},
        "failure of " + failure.where,
        retried ? fmt::format("{} is tried again", failure.where)
                : fmt::format("Batch {} has failed at {}", newest.batch, failure.where),
        fmt::format("{}: {}. {}", human_count(static_cast<std::int64_t>(count), "attempt"),
                    failure.message,
                    retried ? "Nothing is lost; the batch is repeated until it goes through"
                            : "Nothing of the batch was committed"),
        fmt::format("/batch?at={}", newest.batch), first_of_last(all_, count));
  }

  /// Sinks that try again by themselves, if not for a moment only. False: there is none.
  bool waiting() {
    const auto before = found_.size();
    constexpr std::int64_t kLeast = 2'000'000;
    for (const auto& [sink, why, us] : running_ ? running_->troubles : Troubles()) {
      const auto who = "sink " + sink;
      const auto about = "failure of " + who;
      if (us >= kLeast && !has(about)) {
        add(Severity::warn, {"retrying"}, about, fmt::format("{} is tried again", who),
            fmt::format("For {}: {}. Nothing is lost; batch {} waits until it goes through",
                        duration(us), why, running_->batch),
            "/events", running_->batch);
      }
    }
    return found_.size() > before;
  }
  [[nodiscard]] bool has(const std::string& about) const {
    return std::ranges::find(found_, about, &Finding::about) != found_.end();
  }

  /// One that does not come to its end, and no sink says why.
  void stuck() {
    constexpr std::int64_t kTimes = 10;
    if (!running_ || batches_.size() < kInARow) {
      return;
    }
    const auto longest = std::ranges::max(batches_, {}, &BatchSummary::took_us).took_us;
    if (running_->us < std::max({limits_.stuck_us, kTimes * longest, 2 * limits_.trigger_us})) {
      return;
    }
    add(Severity::warn, {"stuck"}, "batch that runs",
        fmt::format("Batch {} takes {} so far", running_->batch, duration(running_->us)),
        fmt::format("It is in phase {}; none of the last {} took longer than {}. A system outside "
                    "may not answer: the log says more",
                    running_->phase, human_count(static_cast<std::int64_t>(batches_.size())),
                    duration(longest)),
        "/events", running_->batch);
  }

  /// The part of the graph that takes the most time: "sessions takes 70 % of it".
  [[nodiscard]] std::string culprit() const {
    const auto& newest = last();
    const auto run = newest.phases_us[static_cast<std::size_t>(Phase::read)] +
                     newest.phases_us[static_cast<std::size_t>(Phase::run)];
    if (run * 2 < newest.took_us) {
      const auto slowest = std::ranges::max_element(newest.phases_us);
      const auto phase = kPhases[static_cast<std::size_t>(slowest - newest.phases_us.begin())];
      return fmt::format("phase {} takes {} of the time", phase, percent(*slowest, newest.took_us));
    }
    const auto longest =
        std::ranges::max_element(newest.run_us, {}, [](const auto& part) { return part.second; });
    return longest == newest.run_us.end()
               ? std::string("reading and SQL take the time")
               : fmt::format("{} takes {} of reading and SQL", longest->first,
                             percent(longest->second, run));
  }

  void falling_behind() {
    if (limits_.trigger_us <= 0) {
      return;  // without an interval there is none to miss; the lag tells
    }
    const auto count =
        last_in_a_row(batches_, [&](const auto& b) { return b.took_us > limits_.trigger_us; });
    if (count < kInARow) {
      return;
    }
    add(last().took_us > 2 * limits_.trigger_us ? Severity::bad : Severity::warn,
        {"falling_behind"}, "duration",
        fmt::format("Falling behind for {}",
                    count == 1 ? "a batch" : fmt::format("{} batches", count)),
        fmt::format("The last one took {}, and one is due every {}; {}", duration(last().took_us),
                    duration(limits_.trigger_us), culprit()),
        batch_page(), first_of_last(batches_, count));
  }

  void lagging() {
    for (const auto& [source, rows] : last().lag_rows) {
      const auto trend =
          trend_of(batches_, 1.5, [&](const auto& b) { return value_or(b.lag_rows, source); });
      if (trend.rises) {
        add(Severity::warn, {"lag_growing", source}, "lag of " + source,
            fmt::format("The lag of {} grows", source),
            fmt::format("{} behind, after {} some batches ago: more come than are read; {}",
                        human_count(rows, "row"), human_count(trend.first), culprit()),
            batch_page(), batches_.front().batch);
      }
    }
  }

  void held_back() {
    const auto& holder = last().holder;
    if (!holder || holder->behind_us < limits_.held_us) {
      return;
    }
    const auto count = last_in_a_row(batches_, [&](const auto& b) {
      return b.holder && b.holder->name == holder->name &&
             b.holder->partition == holder->partition && b.holder->behind_us >= limits_.held_us;
    });
    const auto who = holder->partition.empty()
                         ? holder->name
                         : fmt::format("{}, partition {}", holder->name, holder->partition);
    const auto quiet = holder->idle_us > 0
                           ? fmt::format(", which gave no row for {}", duration(holder->idle_us))
                           : std::string();
    add(Severity::warn, {"watermark_held", holder->name}, "watermark of " + who,
        fmt::format("Watermark held back {} by {}", duration(holder->behind_us), who),
        fmt::format("Without {}{} windows would close that much earlier. An `idle_timeout` of its "
                    "watermark lets the others go on",
                    who, quiet),
        batch_page(), first_of_last(batches_, count));
  }

  void growing() {
    for (const auto& [dataset, bytes] : last().state_bytes) {
      const auto trend =
          trend_of(batches_, 1.5, [&](const auto& b) { return value_or(b.state_bytes, dataset); });
      if (trend.rises && bytes >= limits_.state_bytes) {
        add(Severity::warn, {"state_growing", dataset}, "state of " + dataset,
            fmt::format("The state of {} grows", dataset),
            fmt::format("{}, after {} some batches ago. A watermark, or `state_ttl`, bounds it",
                        human_bytes(bytes), human_bytes(trend.first)),
            fmt::format("/state?table={}", dataset), batches_.front().batch);
      }
    }
  }

  void failed_checks() {
    for (const auto& [key, check] : last().checks) {
      if (check.violations == 0) {
        continue;
      }
      const auto count = last_in_a_row(
          batches_, [&](const auto& b) { return value_or(b.checks, key).violations > 0; });
      const bool expected = check.otherwise == Otherwise::drop;
      add(expected ? Severity::info : Severity::warn,
          {"check_failing", key.first + "." + key.second},
          fmt::format("check {} of {}", key.second, key.first),
          fmt::format("{} of {} does not hold", key.second, key.first),
          fmt::format("{} of {} in the last batch ({}), {}", human_count(check.violations, "row"),
                      human_count(check.rows), percent(check.violations, check.rows),
                      check.otherwise == Otherwise::quarantine ? "kept in quarantine"
                      : check.otherwise == Otherwise::drop     ? "dropped"
                                                               : "which went on"),
          fmt::format("/quality?check={}&dataset={}", key.second, key.first),
          first_of_last(batches_, count));
    }
  }

  void late() {
    for (const auto& [dataset, newest] : last().late) {
      BatchSummary::Late sum;
      for (const auto& batch : batches_) {
        const auto one = value_or(batch.late, dataset);
        sum.rows += one.rows;
        sum.late += one.late;
      }
      const auto trend =
          trend_of(batches_, 2.0, [&](const auto& b) { return value_or(b.late, dataset).late; });
      const bool many =
          static_cast<double>(sum.late) >
          limits_.late_share * static_cast<double>(std::max<std::int64_t>(sum.rows, 1));
      if (trend.rises && many) {
        add(Severity::warn, {"late_rows_rising", dataset}, "late rows of " + dataset,
            fmt::format("More and more rows come too late for {}", dataset),
            fmt::format("{} of the last batches' rows ({}). A larger `delay` takes them; a sink "
                        "with `late` keeps them",
                        percent(sum.late, sum.rows), human_count(sum.late)),
            batch_page(), batches_.front().batch);
      }
    }
  }

  void small_files() {
    for (const auto& [sink, newest] : last().written) {
      BatchSummary::Written sum;
      for (const auto& batch : batches_) {
        const auto one = value_or(batch.written, sink);
        sum.files += one.files;
        sum.bytes += one.bytes;
      }
      if (batches_.size() >= kTrend && sum.files >= 2 * static_cast<std::int64_t>(kTrend) &&
          sum.bytes / sum.files < limits_.small_file_bytes) {
        add(Severity::info, {"small_files", sink}, "files of " + sink,
            fmt::format("{} writes small files", sink),
            fmt::format("{} of {} on average: queries over them open each. `millrace compact` puts "
                        "them together; a longer trigger makes fewer",
                        human_count(sum.files, "file"), human_bytes(sum.bytes / sum.files)),
            fmt::format("?node={}", sink_id(sink)), batches_.front().batch);
      }
    }
  }

  const std::string& pipeline_;
  Batches all_;
  const FindingLimits& limits_;
  const std::optional<RunningBatch>& running_;
  std::vector<BatchSummary> committed_;
  Batches batches_;
  std::vector<Finding> found_;
};

}  // namespace

BatchSummary summary_of(const BatchProgress& batch) {
  BatchSummary s{.batch = batch.batch,
                 .start_us = batch.start_us,
                 .took_us = batch.ended_us,
                 .phases_us = phases_us(batch)};
  for (const auto& span : spans_of(batch)) {
    if (span.phase == Phase::read || span.phase == Phase::run) {
      s.run_us[span.lane] += span.span.us;
    }
  }
  for (const auto& source : batch.sources) {
    if (source.lag) {
      s.lag_rows[source.name] = source.lag->total;
    }
  }
  for (const auto& d : batch.datasets) {
    const auto& name = d.for_checks ? d.checked : d.name;
    if (d.state_bytes > 0) {
      s.state_bytes[name] += d.state_bytes;
    }
    if (d.for_checks) {
      continue;
    }
    for (const auto& check : d.checks) {
      s.checks[{d.name, check.name}] = {check.rows, check.violations, check.otherwise};
    }
    if (d.late.rows > 0) {
      s.late[d.name] = {d.in, d.late.rows};
    }
  }
  for (const auto& sink : batch.sinks) {
    if (sink.files > 0) {
      s.written[sink.name] = {sink.files, sink.bytes};
    }
  }
  s.holder = holder_of(batch);
  s.failure = batch.failure;
  return s;
}

std::string_view severity_word(Severity severity) noexcept {
  switch (severity) {
    case Severity::bad:
      return "bad";
    case Severity::warn:
      return "warn";
    case Severity::info:
      return "info";
  }
  return "info";
}

Json finding_json(const Finding& finding) {
  return {{"severity", severity_word(finding.severity)},
          {"kind", finding.kind},
          {"pipeline", finding.pipeline},
          {"about", finding.about},
          {"title", finding.title},
          {"detail", finding.detail},
          {"link", finding.link},
          {"since_batch", finding.since_batch}};
}

FindingLimits limits_of(const PipelineSpec& spec) {
  return {.trigger_us = std::chrono::microseconds(spec.trigger.interval).count()};
}

std::vector<Finding> findings_of(const std::string& pipeline, Batches batches,
                                 const FindingLimits& limits,
                                 const std::optional<RunningBatch>& running) {
  return Finder(pipeline, batches, limits, running).find();
}

}  // namespace millrace::control
