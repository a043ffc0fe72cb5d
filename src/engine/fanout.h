// The inside of BatchRun: a dataset during a batch, and where its rows go.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/batch_run.h"
#include "engine/checked_rows.h"
#include "engine/event_clock.h"
#include "engine/quarantine.h"
#include "engine/work_shares.h"

namespace millrace {

/// Hands the rows of one run of one dataset to its sinks and readers.
class Fanout final : public sql::Receiver {
 public:
  Fanout(BatchRun& run, std::size_t dataset, OutputMode mode);
  std::unique_ptr<SinkWriter> writer() override;
  /// The threads that gave rows, once all their writers have finished.
  [[nodiscard]] const WorkShares::Section& section() const noexcept { return section_; }

 private:
  friend class FanoutWriter;
  BatchRun& run_;
  std::size_t dataset_;
  WorkShares::Section section_;
  std::vector<std::size_t> sinks_;
  std::vector<std::size_t> told_;  ///< sinks that take all rows, but are told of the changed ones
  std::vector<std::size_t> fed_;   ///< readers that take each chunk at once
  bool gathers_ = false;           ///< for the other readers
  bool parts_ = false;             ///< these can take what was gathered in parts
};

/// Hands the late rows of a dataset to the sinks that take them.
class LateFanout final : public sql::Receiver {
 public:
  LateFanout(BatchRun& run, std::size_t dataset) : run_(run), dataset_(dataset) {}
  std::unique_ptr<SinkWriter> writer() override;

 private:
  friend class LateFanoutWriter;
  BatchRun& run_;
  std::size_t dataset_;
};

/// A dataset during a batch.
struct BatchRun::Node {
  std::mutex handing_on;  ///< held by the thread that runs the readers over its part
  std::mutex running;     ///< held while the plan runs: parts may come from several threads
  std::mutex gathering;
  std::shared_ptr<sql::Batch> gathered;  ///< rows for readers that were not handed on in parts
  std::unique_ptr<Fanout> fed_to;        ///< where the rows go that come out of a fed dataset
  std::unique_ptr<sql::Feed> feed;       ///< open while the datasets before it run
  std::unique_ptr<LateFanout> late;      ///< where its late rows go, if sinks take them
  std::unique_ptr<EventClock> clock;     ///< of the watermark that is declared for its rows
  std::unique_ptr<CheckedRows> checks;   ///< of those that are counted in its rows
  std::int64_t removed = 0;              ///< by these
  TimeBounds bounds;                     ///< what is known of the values to come, by column
  bool needed = false;                   ///< some sink depends on it
  bool touch_all = false;                ///< in the next batch every group counts as changed
  DatasetCounts counts;
  std::vector<std::int64_t> input_rows;  ///< that it was given, by input
  std::vector<std::size_t> scanning;     ///< inputs that the plan scans itself
  std::int64_t lent_us = 0;       ///< of its runs, what others did, or reading did before them
  std::int64_t sampled_rows = 0;  ///< of those that it gave out
  std::int64_t sampled_bytes = 0;
  /// A source that is read: its rows come while the plan runs.
  struct Reading {
    std::size_t source = 0;
    std::unique_ptr<CountedMalformed> malformed;
    MalformedRows kept;  ///< those of the quarantine, if they are read again
    Span read;           ///< reading and decoding, unless the plan does so itself
  };
  std::deque<Reading> readings;  ///< one for each source
};

}  // namespace millrace
