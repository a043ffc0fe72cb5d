// Tables of text that events are put together from, the same in every process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/nexmark/random.h"

namespace millrace::nexmark {

// What persons are made of: the benchmark's own words. Its queries ask for states by name.
inline constexpr std::array<std::string_view, 11> kFirstNames{
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"};
inline constexpr std::array<std::string_view, 9> kLastNames{
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};
inline constexpr std::array<std::string_view, 10> kCities{
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
    "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
inline constexpr std::array<std::string_view, 6> kStates{"AZ", "CA", "ID", "OR", "WA", "WY"};

/// Where a bid came from.
struct Channel {
  std::string name;
  std::string url;
};

class Words {
 public:
  static constexpr std::uint64_t kHotChannels = 4;         // as published
  static constexpr std::uint64_t kOtherChannels = 10'000;  // as published

  /// Made at the first call. What it gives lives as long as the process.
  static const Words& get();

  /// So many letters; at most kTextBytes / 2.
  [[nodiscard]] std::string_view letters(Random& random, std::size_t length) const {
    return std::string_view(letters_).substr(random.below(kTextBytes - length), length);
  }
  /// 3 letters or more, fewer than `bound`, one in 13 of them a space (as published), but none
  /// around it.
  [[nodiscard]] std::string_view phrase(Random& random, std::size_t bound) const;
  /// The hot ones are the first.
  [[nodiscard]] const Channel& channel(std::uint64_t index) const { return channels_[index]; }

 private:
  static constexpr std::size_t kTextBytes = 64 * 1024;

  Words();

  std::string letters_;
  std::string phrases_;
  std::vector<Channel> channels_;
};

}  // namespace millrace::nexmark
