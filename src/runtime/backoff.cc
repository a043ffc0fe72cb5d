#include "runtime/backoff.h"

#include <algorithm>

namespace millrace {

std::chrono::milliseconds Backoff::pause_after(std::chrono::milliseconds went_well) {
  constexpr int kDoublings = 20;  // enough for any limits, and no overflow
  if (went_well >= limits_.well) {
    failures_ = 0;
  }
  const auto pause = limits_.first * (1 << std::min(failures_, kDoublings));
  failures_++;
  return std::min(pause, limits_.longest);
}

}  // namespace millrace
