// What this process takes of its machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "core/source.h"

namespace millrace::control {

/// Thread-safe.
class ProcessFigures {
 public:
  ProcessFigures(std::string name, std::string version);

  /// Figures of rates; once in a while, by one thread.
  void sample(std::int64_t rows_in, std::int64_t rows_out);
  /// `Process` of the contract. `folder`: where there has to be room on the disk; empty: any.
  [[nodiscard]] Json json(const std::string& folder) const;

 private:
  using Steady = std::chrono::steady_clock;

  std::string name_;
  std::string version_;
  std::string host_;
  std::int64_t started_ms_;
  std::int64_t cores_;
  std::int64_t memory_limit_;
  mutable std::mutex lock_;  // guards what follows
  Steady::time_point at_ = Steady::now();
  double cpu_seconds_ = 0;
  std::int64_t rows_in_ = 0;
  std::int64_t rows_out_ = 0;
  double cores_used_ = 0;
  double rows_in_s_ = 0;
  double rows_out_s_ = 0;
};

}  // namespace millrace::control
