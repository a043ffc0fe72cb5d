#include "connectors/mysql/gaps.h"

#include <fmt/format.h>

#include <iterator>

namespace millrace::mysql {

Gaps::Gaps(const nlohmann::json& ranges) {
  for (const auto& range : ranges) {
    (void)add({.first = range.at(0).get<std::int64_t>(),
               .last = range.at(1).get<std::int64_t>(),
               .since_us = range.at(2).get<std::int64_t>()});
  }
}

nlohmann::json Gaps::to_json() const {
  auto ranges = nlohmann::json::array();
  for (const auto& [first, range] : ranges_) {
    ranges.push_back({range.first, range.last, range.since_us});
  }
  return ranges;
}

bool Gaps::add(const Range& range) {
  ranges_.emplace(range.first, range);
  if (ranges_.size() <= kMax) {
    return true;
  }
  ranges_.erase(ranges_.begin());
  return false;
}

void Gaps::remove(std::int64_t number) {
  const auto after = ranges_.upper_bound(number);
  if (after == ranges_.begin()) {
    return;
  }
  const auto at = std::prev(after);
  const Range range = at->second;
  if (range.last < number) {
    return;
  }
  ranges_.erase(at);
  if (range.first < number) {
    ranges_.emplace(range.first, Range{range.first, number - 1, range.since_us});
  }
  if (number < range.last) {
    ranges_.emplace(number + 1, Range{number + 1, range.last, range.since_us});
  }
}

std::vector<Gaps::Range> Gaps::take_older_than(std::int64_t time_us) {
  std::vector<Range> old;
  std::erase_if(ranges_, [&](const auto& entry) {
    const bool is_old = entry.second.since_us < time_us;
    if (is_old) {
      old.push_back(entry.second);
    }
    return is_old;
  });
  return old;
}

bool Gaps::contains(std::int64_t number) const {
  const auto after = ranges_.upper_bound(number);
  return after != ranges_.begin() && std::prev(after)->second.last >= number;
}

std::vector<Gaps::Range> Gaps::all() const {
  std::vector<Range> ranges;
  ranges.reserve(ranges_.size());
  for (const auto& [first, range] : ranges_) {
    ranges.push_back(range);
  }
  return ranges;
}

std::string text_of(const std::vector<Gaps::Range>& ranges, std::size_t max) {
  std::string text;
  for (std::size_t i = 0; i < ranges.size() && i < max; ++i) {
    text += i == 0 ? "" : ", ";
    text += ranges[i].first == ranges[i].last
                ? fmt::format("{}", ranges[i].first)
                : fmt::format("{}-{}", ranges[i].first, ranges[i].last);
  }
  if (ranges.size() > max) {
    text += fmt::format(" and {} more ranges", ranges.size() - max);
  }
  return text;
}

std::int64_t count_of(const std::vector<Gaps::Range>& ranges) {
  std::int64_t count = 0;
  for (const auto& range : ranges) {
    count += range.last - range.first + 1;
  }
  return count;
}

}  // namespace millrace::mysql
