// How far event time has come at the places of the graph where a watermark is declared.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/chunk.h"
#include "core/event_time.h"
#include "core/source.h"

namespace millrace {

/// The watermark of one source or dataset: the newest event time less the delay; of several
/// partitions the least. It never goes back, and is a function of the rows and the times of the
/// batches alone.
class EventClock {
 public:
  /// `column`, `partition`: places in the schema; partition -1: none.
  EventClock(const WatermarkSpec& spec, std::size_t column, int partition);

  /// The newest event time of each partition that one thread has met.
  class Observer {
   public:
    void observe(const Chunk& chunk);

   private:
    friend class EventClock;
    explicit Observer(const EventClock& clock) : clock_(clock) {}
    std::int64_t& newest(const ColumnView& partitions, std::size_t row);

    const EventClock& clock_;
    std::map<std::string, std::int64_t, std::less<>> newest_;
    std::int64_t* last_ = nullptr;  ///< the one of the row before
    std::string last_partition_;
  };
  [[nodiscard]] Observer observer() const { return Observer(*this); }
  /// Takes what a thread has met in the running batch. Thread-safe.
  void take(const Observer& observer);
  /// All rows of the batch were taken; `now_us` is the batch's time.
  void end_batch(std::int64_t now_us);

  /// What is known of the column's values to come: kNoBound, kIdle, or the watermark.
  [[nodiscard]] std::int64_t bound() const noexcept { return idle_ ? kIdle : watermark_us_; }
  [[nodiscard]] std::int64_t watermark_us() const noexcept { return watermark_us_; }
  [[nodiscard]] std::size_t column() const noexcept { return column_; }
  /// The partition that holds the watermark back, if there are any.
  [[nodiscard]] const std::string& slowest() const noexcept { return slowest_; }

  struct Partition {
    std::int64_t newest_us = kNoBound;
    std::int64_t active_us = 0;  ///< the time of the last batch that had rows of it
  };
  using Partitions = std::map<std::string, Partition, std::less<>>;
  /// All that were met; without a partition column one, of the empty name.
  [[nodiscard]] const Partitions& partitions() const noexcept { return partitions_; }
  [[nodiscard]] std::int64_t delay_us() const noexcept { return delay_us_; }

  /// For the checkpoint.
  [[nodiscard]] Json save() const;
  void load(const Json& saved);

 private:
  std::size_t column_;
  int partition_;
  std::int64_t delay_us_;
  std::int64_t idle_us_;
  std::mutex lock_;  ///< guards what is taken from threads
  std::map<std::string, std::int64_t, std::less<>> taken_;
  Partitions partitions_;
  std::optional<std::int64_t> began_us_;
  std::int64_t watermark_us_ = kNoBound;
  std::string slowest_;
  bool idle_ = false;
};

}  // namespace millrace
