#include "engine/event_clock.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kInfinity = std::numeric_limits<std::int64_t>::max();

WatermarkSpec spec(std::chrono::milliseconds delay, std::chrono::milliseconds idle = 0ms) {
  return {.at = {}, .column = "ts", .delay = delay, .partition = "", .idle_timeout = idle};
}

/// A batch of rows: times, and the partition of each.
void batch(EventClock& clock, std::vector<std::int64_t> times, std::int64_t now_us,
           std::vector<std::int64_t> partitions = {}) {
  const std::uint64_t no_nulls = ~std::uint64_t{0};
  std::vector<ColumnView> columns{{Physical::i64, times.data(), &no_nulls}};
  columns.push_back({Physical::i64, partitions.data(), &no_nulls});
  auto observer = clock.observer();
  observer.observe({times.size(), columns, nullptr});
  clock.take(observer);
  clock.end_batch(now_us);
}

TEST(EventClock, TheNewestRowLessTheDelayAndNeverBack) {
  EventClock clock(spec(2ms), 0, -1);
  EXPECT_EQ(clock.bound(), kNoBound);
  batch(clock, {5000, 9000, 7000}, 1);
  EXPECT_EQ(clock.bound(), 7000);
  batch(clock, {1000}, 2);
  EXPECT_EQ(clock.bound(), 7000);
  batch(clock, {kInfinity, -kInfinity, 9500}, 3);
  EXPECT_EQ(clock.bound(), 7500);
}

TEST(EventClock, TheSlowestPartitionCounts) {
  EventClock clock(spec(0ms), 0, 1);
  batch(clock, {9000, 4000, 8000, 6000}, 1, {1, 2, 1, 2});
  EXPECT_EQ(clock.bound(), 6000);
  EXPECT_EQ(clock.slowest(), "2");
  batch(clock, {20'000}, 2, {2});
  EXPECT_EQ(clock.bound(), 9000);
  EXPECT_EQ(clock.slowest(), "1");
}

TEST(EventClock, WhoIsIdleIsNotWaitedFor) {
  EventClock clock(spec(0ms, 10ms), 0, 1);
  batch(clock, {9000, 4000}, 0, {1, 2});
  batch(clock, {12'000}, 10'000, {1});
  EXPECT_EQ(clock.bound(), 12'000);
  batch(clock, {}, 30'000);
  EXPECT_EQ(clock.bound(), kIdle);
  EXPECT_EQ(clock.watermark_us(), 12'000);
  batch(clock, {5000}, 31'000, {2});  // back, and behind
  EXPECT_EQ(clock.bound(), 12'000);
}

TEST(EventClock, WhatIsSavedGoesOn) {
  EventClock clock(spec(1ms, 10ms), 0, 1);
  batch(clock, {9000, 4000}, 5, {1, 2});
  EventClock other(spec(1ms, 10ms), 0, 1);
  other.load(Json::parse(clock.save().dump()));
  for (EventClock* each : {&clock, &other}) {
    batch(*each, {6000}, 6, {2});
    EXPECT_EQ(each->bound(), 5000);
    EXPECT_EQ(each->slowest(), "2");
    EXPECT_EQ(each->save(), clock.save());
  }
}

}  // namespace
}  // namespace millrace
