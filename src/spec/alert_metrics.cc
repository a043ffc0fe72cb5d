#include "spec/alert_metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"

namespace millrace {
namespace {

using Id = AlertMetric::Id;
using Unit = AlertUnit;

constexpr std::array<AlertMetric, 20> kMetrics = {{
    {Id::lag_rows, "lag_rows", Unit::rows, kOfSource, false,
     "Rows that a source has and the pipeline has not read, as of the last batch; without `of`, of "
     "all sources that know."},
    {Id::lag_time, "lag_time", Unit::seconds, kOfSource, false,
     "How long it takes to read them, if nothing is added, as fast as the last batch was."},
    {Id::freshness, "freshness", Unit::seconds, kOfSource | kOfWatermark, false,
     "How old the newest row is, by its event time; of a source without a watermark, how long ago "
     "its last rows came. It grows while nothing comes. Without `of`: the oldest one, idle ones "
     "left out."},
    {Id::watermark_delay, "watermark_delay", Unit::seconds, kOfWatermark, false,
     "How far a watermark is behind the clock; without `of`, the one that holds the others back."},
    {Id::batch_age, "batch_age", Unit::seconds, 0, false,
     "Time since the last batch was committed, or since the start if there was none."},
    {Id::batch_duration, "batch_duration", Unit::seconds, 0, false, "Of the last batch."},
    {Id::input_rows, "input_rows", Unit::rows, kOfSource, true, "Rows that were read."},
    {Id::output_rows, "output_rows", Unit::rows, kOfSink, true, "Rows that were written."},
    {Id::malformed_rows, "malformed_rows", Unit::rows, kOfSource, true,
     "Records that did not become rows."},
    {Id::malformed_share, "malformed_share", Unit::share, kOfSource, true,
     "Their share of all records that were read."},
    {Id::quarantined_rows, "quarantined_rows", Unit::rows, kOfSource | kOfDataset | kOfSink, true,
     "Rows that were put aside for people: malformed ones of a source, those that checks of a "
     "source or dataset took out, those that a sink refused."},
    {Id::refused_rows, "refused_rows", Unit::rows, kOfSink, true, "Rows that a sink can't write."},
    {Id::late_rows, "late_rows", Unit::rows, kOfDataset, true,
     "Rows that came too late for a dataset's windows."},
    {Id::failed_rows, "failed_rows", Unit::rows, kOfSource | kOfDataset | kOfCheck, true,
     "Rows that did not pass quality checks: of a source or dataset, or of one check, as "
     "`dataset.check`."},
    {Id::failed_checks, "failed_checks", Unit::times, kOfSource | kOfDataset, true,
     "Quality checks that some row of a batch did not pass."},
    {Id::state_rows, "state_rows", Unit::rows, kOfDataset, false,
     "Groups and keys that are kept, of a dataset or of all."},
    {Id::state_bytes, "state_bytes", Unit::bytes, kOfDataset, false, "Memory that they take."},
    {Id::memory_bytes, "memory_bytes", Unit::bytes, 0, false,
     "Memory that the SQL and its state take."},
    {Id::restarts, "restarts", Unit::times, 0, true,
     "How often the pipeline was begun anew as a system outside was lost; `over` ten minutes, if "
     "it says nothing else."},
    {Id::state, "state", Unit::state, 0, false,
     "What the pipeline is doing: `starting`, `running`, `paused`, `failed` or `stopped`."},
}};

}  // namespace

std::span<const AlertMetric> alert_metrics() noexcept { return kMetrics; }

const AlertMetric* find_alert_metric(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kMetrics, name, &AlertMetric::name);
  return found == kMetrics.end() ? nullptr : found;
}

std::vector<std::string> alert_metric_names() {
  std::vector<std::string> names;
  names.reserve(kMetrics.size());
  for (const AlertMetric& metric : kMetrics) {
    names.emplace_back(metric.name);
  }
  return names;
}

std::vector<std::string> alert_state_words() {
  return {"starting", "running", "paused", "failed", "stopped"};
}

std::string alert_value_text(AlertUnit unit, double value) {
  // Beyond this, a double is no exact number any more, and a conversion could overflow.
  constexpr double kExact = 9e15;
  const bool whole = std::abs(value) < kExact && std::floor(value) == value;
  switch (unit) {
    case AlertUnit::seconds:
      return std::abs(value) < kExact / 1e6
                 ? human_duration(std::chrono::microseconds(std::llround(value * 1e6)))
                 : fmt::format("{} s", value);
    case AlertUnit::bytes:
      return whole && value >= 0 ? human_bytes(std::llround(value)) : fmt::format("{}", value);
    case AlertUnit::share:
      return fmt::format("{:.4g}%", value * 100);
    default:
      return whole ? human_count(std::llround(value)) : fmt::format("{}", value);
  }
}

}  // namespace millrace
