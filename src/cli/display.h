// How a running pipeline shows itself: one live line, log lines, or JSON for machines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/progress.h"
#include "runtime/runner.h"

namespace millrace::cli {

enum class ProgressStyle : std::uint8_t { automatic, line, log, json, none };

/// Shows the progress of one run. JSON goes to stdout, one object a batch; all else to stderr.
class Display {
 public:
  /// `automatic`: a live line if stderr is a terminal, log lines otherwise.
  Display(ProgressStyle style, std::string pipeline);

  void opened(const std::string& text);
  void batch(const BatchProgress& progress);
  void ended(const RunSummary& summary);

 private:
  void live_line(const BatchProgress& progress);

  ProgressStyle style_;
  std::string pipeline_;
  bool line_open_ = false;
  std::chrono::steady_clock::time_point last_draw_;
  std::int64_t quarantined_ = 0;
  std::int64_t violations_ = 0;  ///< of quality checks
  std::int64_t input_rows_ = 0;
  std::int64_t output_rows_ = 0;
};

}  // namespace millrace::cli
