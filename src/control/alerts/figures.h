// The values of metrics, as batches give them and time goes on.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "engine/progress.h"
#include "spec/alerts.h"
#include "spec/pipeline.h"

namespace millrace::control {

/// What one batch says of one metric.
struct AlertSample {
  bool known = false;
  double amount = 0;         ///< a figure; of a share, its part
  double whole = 0;          ///< of a share; of lag_time, rows a second (0: none were read)
  std::int64_t time_us = 0;  ///< of what is an age: since when
};

/// Of a rule that has a metric. `now_us`: when the batch was committed. Cheap: called by the thread
/// that runs the batches.
[[nodiscard]] AlertSample sample_of(const AlertRuleSpec& rule, const PipelineSpec& spec,
                                    const BatchProgress& batch, std::int64_t now_us);

/// A metric over time. Memory is bounded, whatever the window and however small the batches. One
/// thread at a time.
class MetricWatch {
 public:
  /// `start_us`: what ages count from before there was anything.
  MetricWatch(const AlertRuleSpec& rule, std::int64_t start_us)
      : rule_(rule), start_us_(start_us) {}

  void add(const AlertSample& sample, std::int64_t now_us);
  /// In the metric's unit; nullopt: it is not known yet.
  [[nodiscard]] std::optional<double> value(std::int64_t now_us) const;

 private:
  /// A part of the window.
  struct Part {
    std::int64_t begin_us = 0;
    double amount = 0;
    double whole = 0;
  };
  static constexpr std::int64_t kParts = 60;

  [[nodiscard]] std::optional<double> counted(std::int64_t now_us) const;

  const AlertRuleSpec& rule_;
  std::int64_t start_us_;
  AlertSample last_;
  double last_rate_ = 0;
  std::deque<Part> parts_;
};

}  // namespace millrace::control
