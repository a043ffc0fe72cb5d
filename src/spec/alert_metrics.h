// What alerts can watch without SQL: figures of batches, and of the pipeline as a whole.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// What a figure is measured in, and so how a threshold is written.
enum class AlertUnit : std::uint8_t {
  rows,     ///< a number
  times,    ///< a number, too, but not of rows
  seconds,  ///< a duration
  bytes,    ///< a size
  share,    ///< 0 to 1
  state,    ///< a word
  none,     ///< whatever a query gives
};

/// What a figure is of, as bits.
enum AlertOf : std::uint8_t {
  kOfSource = 1,
  kOfDataset = 2,
  kOfSink = 4,
  kOfCheck = 8,
  kOfWatermark = 16,  ///< a source or dataset that has one
};

struct AlertMetric {
  enum class Id : std::uint8_t {
    lag_rows,
    lag_time,
    freshness,
    watermark_delay,
    batch_age,
    batch_duration,
    input_rows,
    output_rows,
    malformed_rows,
    malformed_share,
    quarantined_rows,
    refused_rows,
    late_rows,
    failed_rows,
    failed_checks,
    state_rows,
    state_bytes,
    memory_bytes,
    restarts,
    state,
    finding,  ///< of alert_findings(), not of alert_metrics()
  };
  Id id;
  std::string_view name;
  AlertUnit unit;
  std::uint8_t of = 0;   ///< AlertOf; 0: of the pipeline alone
  bool counted = false;  ///< it can be summed over a time
  std::string_view doc;  ///< one or two whole sentences
};

/// All of them, in the order of the reference.
[[nodiscard]] std::span<const AlertMetric> alert_metrics() noexcept;
[[nodiscard]] const AlertMetric* find_alert_metric(std::string_view name) noexcept;
[[nodiscard]] std::vector<std::string> alert_metric_names();
/// What the metric `state` can be.
[[nodiscard]] std::vector<std::string> alert_state_words();
/// A value for people: "10m 00s", "100,000", "1.2 MB", "1.5%".
[[nodiscard]] std::string alert_value_text(AlertUnit unit, double value);

}  // namespace millrace
