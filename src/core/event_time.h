// Event time: when something happened, as the rows say, and how far it has come.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace millrace {

/// `watermark:` of a source or dataset: rows come at most `delay` behind the newest of them.
struct WatermarkSpec {
  Location at;
  std::string column;
  std::chrono::milliseconds delay{0};
  /// A column whose values have newest rows of their own (partitions, devices); empty: none.
  std::string partition;
  /// Who gives no rows for so long does not hold the others back; 0: always waited for.
  std::chrono::milliseconds idle_timeout{0};
};

/// Which of several watermarks counts where their rows meet.
enum class WatermarkPolicy : std::uint8_t { min, max };

/// What is known of a column with an event time.
struct EventTime {
  /// How far behind the newest row a row may come before it is late.
  std::int64_t delay_us = 0;
  /// What the column's bound would be at each of a list of times (sql/ has it), from which follows
  /// which of several columns is the finer one. Empty: those times.
  std::vector<std::int64_t> trial = {};
};
/// By the columns' places in a schema.
using EventTimes = std::map<std::size_t, EventTime>;

/// For columns with an event time, by their place in a schema: no value that is still to come is
/// less than this (in the column's own unit: microseconds, or days of a DATE).
using TimeBounds = std::map<std::size_t, std::int64_t>;
/// Nothing is known yet, as no row has come.
inline constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::min();
/// Nothing is expected (of an idle source): wait for the others.
inline constexpr std::int64_t kIdle = std::numeric_limits<std::int64_t>::max();

}  // namespace millrace
