// The metrics of a millrace process: what there is, and how it follows from what pipelines report.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "engine/progress.h"

namespace millrace::control {

/// All metrics, in the order of the reference page; for the making of a Metrics.
[[nodiscard]] std::span<const MetricSpec* const> declared_metrics();

/// The reference page, docs/reference/metrics.md.
[[nodiscard]] std::string metrics_markdown();

/// Memory, CPU time, open files, threads, uptime and the build, read whenever somebody scrapes.
class ProcessMetrics {
 public:
  ProcessMetrics(Metrics& metrics, const std::string& version);
  ~ProcessMetrics();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The metrics of one pipeline, for as long as it is known to the process. One thread at a time.
class PipelineMetrics {
 public:
  /// Of one source; those beyond are summed under the partition "other".
  static constexpr std::size_t kPartitionsMax = 100;

  PipelineMetrics(Metrics& metrics, std::string pipeline);
  ~PipelineMetrics();

  /// A batch that was committed, or has failed (BatchProgress::failure). Costs some microseconds.
  void batch(const BatchProgress& batch);
  /// What it is in now: "starting", "running", "paused", "failed" or "stopped".
  void state(std::string_view state);
  /// Another attempt begins, as a system outside was lost.
  void restarted();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::control
