// Places in topics: which partitions, and from where to where.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "core/source.h"

namespace millrace::kafka {

struct Partition {
  std::string topic;
  std::int32_t number = 0;
  auto operator<=>(const Partition&) const = default;
};

/// Offsets [from, to). Not all of them need to hold a message: markers of transactions have
/// offsets, too, and compaction leaves gaps.
struct Range {
  std::int64_t from = 0;
  std::int64_t to = 0;
  [[nodiscard]] std::int64_t count() const noexcept { return to - from; }
};

using Offsets = std::map<Partition, std::int64_t>;
using Ranges = std::map<Partition, Range>;

// As they stand in the offset log: {"orders": {"0": [3, 17]}} and {"orders": {"0": 17}}.
[[nodiscard]] Json to_json(const Ranges& ranges);
[[nodiscard]] Json to_json(const Offsets& offsets);
[[nodiscard]] Ranges ranges_of(const Json& json);
[[nodiscard]] Offsets offsets_of(const Json& json);

/// How many offsets they hold together.
[[nodiscard]] std::int64_t count_of(const Ranges& ranges);

/// Shortens ranges until they hold at most so many offsets together: each partition gets its share
/// of what there is, and none that has something gets nothing for ever.
[[nodiscard]] Ranges limited(const Ranges& ranges, std::int64_t most);

}  // namespace millrace::kafka
