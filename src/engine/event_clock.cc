#include "engine/event_clock.h"

#include <algorithm>

namespace millrace {
namespace {

std::int64_t us(std::chrono::milliseconds duration) {
  return std::chrono::microseconds(duration).count();
}

/// 'infinity' and '-infinity' say nothing of when a row happened.
bool is_finite(std::int64_t time) {
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  return time != kInfinity && time != -kInfinity;
}

std::string text_of(const ColumnView& column, std::size_t row) {
  if (column.is_null(row)) {
    return "";
  }
  switch (column.physical) {
    case Physical::string:
      return std::string(column.string(row));
    case Physical::i16:
      return std::to_string(column.values<std::int16_t>()[row]);
    case Physical::i32:
      return std::to_string(column.values<std::int32_t>()[row]);
    default:
      return std::to_string(column.values<std::int64_t>()[row]);
  }
}

}  // namespace

EventClock::EventClock(const WatermarkSpec& spec, std::size_t column, int partition)
    : column_(column),
      partition_(partition),
      delay_us_(us(spec.delay)),
      idle_us_(us(spec.idle_timeout)) {}

std::int64_t& EventClock::Observer::newest(const ColumnView& partitions, std::size_t row) {
  auto partition = text_of(partitions, row);
  if (last_ == nullptr || partition != last_partition_) {
    last_ = &newest_.try_emplace(partition, kNoBound).first->second;
    last_partition_ = std::move(partition);
  }
  return *last_;
}

void EventClock::Observer::observe(const Chunk& chunk) {
  const auto& times = chunk.columns[clock_.column_];
  const auto* values = times.values<std::int64_t>();
  if (clock_.partition_ >= 0) {
    const auto& partitions = chunk.columns[static_cast<std::size_t>(clock_.partition_)];
    for (std::size_t row = 0; row < chunk.rows; row++) {
      if (!times.is_null(row) && is_finite(values[row])) {
        auto& newest_us = newest(partitions, row);
        newest_us = std::max(newest_us, values[row]);
      }
    }
    return;
  }
  std::int64_t newest_us = kNoBound;
  for (std::size_t row = 0; row < chunk.rows; row++) {
    if (!times.is_null(row) && is_finite(values[row])) {
      newest_us = std::max(newest_us, values[row]);
    }
  }
  if (newest_us != kNoBound) {
    auto& before = newest_.try_emplace("", kNoBound).first->second;
    before = std::max(before, newest_us);
  }
}

void EventClock::take(const Observer& observer) {
  const std::lock_guard guard(lock_);
  for (const auto& [partition, newest_us] : observer.newest_) {
    auto& before = taken_.try_emplace(partition, kNoBound).first->second;
    before = std::max(before, newest_us);
  }
}

void EventClock::end_batch(std::int64_t now_us) {
  if (!began_us_) {
    began_us_ = now_us;
  }
  for (const auto& [partition, newest_us] : taken_) {
    auto& state = partitions_[partition];
    state.newest_us = std::max(state.newest_us, newest_us);
    state.active_us = now_us;
  }
  taken_.clear();
  const auto is_idle = [&](std::int64_t active_us) {
    return idle_us_ > 0 && now_us - active_us >= idle_us_;
  };
  std::int64_t least = kIdle;
  for (const auto& [partition, state] : partitions_) {
    if (!is_idle(state.active_us) && state.newest_us < least) {
      least = state.newest_us;
      slowest_ = partition;
    }
  }
  idle_ = least == kIdle && is_idle(*began_us_);
  if (least != kIdle) {
    watermark_us_ = std::max(watermark_us_, least - delay_us_);
  }
}

Json EventClock::save() const {
  Json partitions = Json::object();
  for (const auto& [name, state] : partitions_) {
    partitions[name] = {{"newest_us", state.newest_us}, {"active_us", state.active_us}};
  }
  Json out = {{"partitions", std::move(partitions)}};
  if (watermark_us_ != kNoBound) {
    out["watermark_us"] = watermark_us_;
  }
  if (began_us_) {
    out["began_us"] = *began_us_;
  }
  return out;
}

void EventClock::load(const Json& saved) {
  partitions_.clear();
  for (const auto& [name, state] : saved.at("partitions").items()) {
    partitions_[name] = {state.at("newest_us"), state.at("active_us")};
  }
  watermark_us_ = saved.value("watermark_us", kNoBound);
  if (saved.contains("began_us")) {
    began_us_ = saved.at("began_us").get<std::int64_t>();
  }
}

}  // namespace millrace
