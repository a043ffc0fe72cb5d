// Numbers that are missing in a sequence, and may still come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace millrace::mysql {

/// Ranges of missing numbers, each with the time it was first missed.
///
/// A transaction takes its numbers before it commits, and another one that took later ones may
/// commit earlier. Who reads "all after the last one" then never sees the first one's rows.
class Gaps {
 public:
  /// So many ranges are kept; then the lowest are given up.
  static constexpr std::size_t kMax = 10'000;

  /// Before the first number that was read, any may be missing.
  static constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

  struct Range {
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t since_us = 0;
    bool operator==(const Range&) const = default;
  };

  Gaps() = default;
  explicit Gaps(const nlohmann::json& ranges);
  [[nodiscard]] nlohmann::json to_json() const;

  /// Ranges never overlap. False: there are kMax, and the lowest is not known any more.
  [[nodiscard]] bool add(const Range& range);
  /// A number that is not missing any more.
  void remove(std::int64_t number);
  /// Removes and gives those that have been missing since before a time.
  std::vector<Range> take_older_than(std::int64_t time_us);

  [[nodiscard]] bool contains(std::int64_t number) const;
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] std::vector<Range> all() const;

 private:
  std::map<std::int64_t, Range> ranges_;  ///< by their first numbers
};

/// "17, 20-25 and 3 more ranges"; at most so many ranges.
[[nodiscard]] std::string text_of(const std::vector<Gaps::Range>& ranges, std::size_t max);
/// How many numbers they hold.
[[nodiscard]] std::int64_t count_of(const std::vector<Gaps::Range>& ranges);

}  // namespace millrace::mysql
