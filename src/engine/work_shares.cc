#include "engine/work_shares.h"

#include <algorithm>

namespace millrace {

void WorkShares::Section::add(Time from, Time to) {
  first = std::min(first, from);
  last = std::max(last, to);
  ns += std::chrono::nanoseconds(to - from).count();
}

double WorkShares::Section::parallel() const {
  const auto passed = ns == 0 ? 0 : std::chrono::nanoseconds(last - first).count();
  return passed <= 0 ? 1.0 : std::max(1.0, static_cast<double>(ns) / static_cast<double>(passed));
}

void WorkShares::begin(Time began) {
  began_ = began;
  std::ranges::fill(datasets_, Share{});
  std::ranges::fill(sinks_, Share{});
  taking_.clear();
  sinks_taking_.clear();
}

void WorkShares::add_dataset(std::size_t giver, std::size_t taker, std::int64_t ns) {
  datasets_[giver].lent_ns += ns;
  if (datasets_[taker].ns == 0) {
    taking_.push_back(taker);
  }
  datasets_[taker].ns += std::max<std::int64_t>(ns, 1);
}

void WorkShares::add_sink(std::size_t giver, std::size_t sink, std::int64_t ns) {
  datasets_[giver].lent_ns += ns;
  if (sinks_[sink].ns == 0) {
    sinks_taking_.push_back(sink);
  }
  sinks_[sink].ns += std::max<std::int64_t>(ns, 1);
}

void WorkShares::settle(Share& share, const Section& section, double parallel) const {
  const auto own = std::max<std::int64_t>(share.ns - share.lent_ns, 0);
  if (share.span.us == 0) {
    share.span.start_us = section.ns == 0 ? 0 : since_began(section.first);
  }
  // Rounded up: who worked at all has a time.
  share.span.us += static_cast<std::int64_t>(static_cast<double>(own) / parallel + 999) / 1000;
  share.ns = 0;
  share.lent_ns = 0;
}

std::int64_t WorkShares::end_run(std::size_t dataset, const Section& section) {
  const auto parallel = section.parallel();
  const auto lent = static_cast<double>(datasets_[dataset].lent_ns) / parallel;
  datasets_[dataset].lent_ns = 0;
  for (const auto i : taking_) {
    settle(datasets_[i], section, parallel);
  }
  for (const auto i : sinks_taking_) {
    settle(sinks_[i], section, parallel);
  }
  taking_.clear();
  sinks_taking_.clear();
  return static_cast<std::int64_t>(lent) / 1000;
}

}  // namespace millrace
