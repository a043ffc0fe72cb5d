// How the time of a run is shared by the datasets and sinks that work on its chunks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/phases.h"

namespace millrace {

/// While a plan runs, its rows go chunk by chunk, on the threads that made them, through the
/// datasets that it feeds and into sinks. Each thread's writers say how long their takers worked;
/// when the run is over, the time that passed is divided accordingly. Not thread-safe.
class WorkShares {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// The threads that gave out rows of one run.
  struct Section {
    Time first = Time::max();
    Time last = Time::min();
    std::int64_t ns = 0;  ///< of all of them

    void add(Time from, Time to);
    /// How many of them worked at a time, on average; at least 1.
    [[nodiscard]] double parallel() const;
  };

  /// `span`: of the time that passed, not of that of all threads.
  struct Share {
    Span span;
    std::int64_t ns = 0;       // of the run that is under way: of its work, and of what it gave
    std::int64_t lent_ns = 0;  // its rows to
  };

  WorkShares(std::size_t datasets, std::size_t sinks) : datasets_(datasets), sinks_(sinks) {}

  /// A batch begins; `began`: what spans count from.
  void begin(Time began);
  void add_dataset(std::size_t giver, std::size_t taker, std::int64_t ns);
  void add_sink(std::size_t giver, std::size_t sink, std::int64_t ns);
  /// A run of a dataset is over. Returns how many microseconds of it were others'.
  std::int64_t end_run(std::size_t dataset, const Section& section);

  [[nodiscard]] const Span& dataset(std::size_t i) const { return datasets_[i].span; }
  [[nodiscard]] const Span& sink(std::size_t i) const { return sinks_[i].span; }
  [[nodiscard]] std::int64_t since_began(Time time) const { return us_between(began_, time); }

 private:
  void settle(Share& share, const Section& section, double parallel) const;

  Time began_;
  std::vector<Share> datasets_;
  std::vector<Share> sinks_;
  std::vector<std::size_t> taking_;  // datasets with work in the run that is under way
  std::vector<std::size_t> sinks_taking_;
};

}  // namespace millrace
