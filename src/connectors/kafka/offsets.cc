#include "connectors/kafka/offsets.h"

#include <algorithm>

#include "base/strings.h"

namespace millrace::kafka {

namespace {

/// Calls take(partition, value) for each partition of {"topic": {"0": value}}.
template <class Take>
void for_each_partition(const Json& json, const Take& take) {
  for (const auto& [topic, partitions] : json.items()) {
    for (const auto& [number, value] : partitions.items()) {
      take(Partition{topic, static_cast<std::int32_t>(parse_integer(number).value_or(0))}, value);
    }
  }
}

}  // namespace

Json to_json(const Ranges& ranges) {
  Json json = Json::object();
  for (const auto& [partition, range] : ranges) {
    json[partition.topic][std::to_string(partition.number)] = {range.from, range.to};
  }
  return json;
}

Json to_json(const Offsets& offsets) {
  Json json = Json::object();
  for (const auto& [partition, offset] : offsets) {
    json[partition.topic][std::to_string(partition.number)] = offset;
  }
  return json;
}

Ranges ranges_of(const Json& json) {
  Ranges ranges;
  for_each_partition(json, [&](Partition partition, const Json& range) {
    ranges[std::move(partition)] = {range.at(0), range.at(1)};
  });
  return ranges;
}

Offsets offsets_of(const Json& json) {
  Offsets offsets;
  for_each_partition(json, [&](Partition partition, const Json& offset) {
    offsets[std::move(partition)] = offset.get<std::int64_t>();
  });
  return offsets;
}

std::int64_t count_of(const Ranges& ranges) {
  std::int64_t count = 0;
  for (const auto& [partition, range] : ranges) {
    count += range.count();
  }
  return count;
}

Ranges limited(const Ranges& ranges, std::int64_t most) {
  const auto all = count_of(ranges);
  if (all <= most) {
    return ranges;
  }
  Ranges shares;
  std::int64_t left = most;
  for (const auto& [partition, range] : ranges) {
    const auto share = static_cast<std::int64_t>(
        static_cast<double>(range.count()) / static_cast<double>(all) * static_cast<double>(most));
    const auto count = std::min({share, range.count(), left});
    shares[partition] = {range.from, range.from + count};
    left -= count;
  }
  // What rounding left goes to those who are furthest behind what they have.
  while (left > 0) {
    const auto behind = [&](const auto& a, const auto& b) {
      return ranges.at(a.first).to - a.second.to < ranges.at(b.first).to - b.second.to;
    };
    auto& [partition, range] = *std::ranges::max_element(shares, behind);
    range.to++;
    left--;
  }
  std::erase_if(shares, [](const auto& share) { return share.second.count() == 0; });
  return shares;
}

}  // namespace millrace::kafka
