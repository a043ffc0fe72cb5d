// Random values that are the same whenever a batch runs again.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::sql {

/// 128 bits.
struct Bits {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const Bits&) const = default;
};

/// Mixes well: SplitMix64's last step (Steele, Lea, Flood 2014).
[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t word) noexcept {
  word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  word = (word ^ (word >> 27U)) * 0x94d049bb133111ebULL;
  return word ^ (word >> 31U);
}

/// For each key a permutation of all 128 bits, in four rounds of a Feistel network: what differs
/// before differs after, so UUIDs made of it can't collide within a batch.
[[nodiscard]] constexpr Bits scramble(Bits bits, std::uint64_t key) noexcept {
  for (int round = 0; round < 4; ++round) {
    key += 0x9e3779b97f4a7c15ULL;
    bits = {bits.low, bits.high ^ mix_bits(bits.low ^ key)};
  }
  return bits;
}

/// Gives each row that passes one place of a plan a seed of its own, from which random() and uuid()
/// follow.
///
/// A seed is a function of the dataset's name, the place, the batch, its time, the row's content,
/// and how many equal rows the batch had before at this place. Equal rows can't be told apart, so
/// it does not matter which of them comes first: on any number of threads, and when the batch runs
/// again, the rows as a whole get the same seeds.
class RowSeeds {
 public:
  /// `whole`: each run sees all rows of the place (a table's), not the next part of a batch.
  RowSeeds(std::string_view dataset, std::uint64_t place, bool whole);

  void begin_batch(std::int64_t batch, std::int64_t time_us);
  void begin_run();
  /// Seeds of rows by the hashes of their content. Thread-safe.
  void give(const std::uint64_t* hashes, std::size_t count, Bits* seeds);

 private:
  /// How often each hash was seen: open addressing, at most three quarters full.
  struct Shard {
    struct Slot {
      std::uint64_t hash = 0;
      std::uint64_t times = 0;  // 0: the slot is empty
    };
    std::uint64_t count(std::uint64_t hash);
    void grow();

    std::mutex lock;
    std::vector<Slot> slots;
    std::size_t used = 0;
  };
  // So that threads seldom wait for each other.
  static constexpr std::size_t kShards = 16;

  void forget();

  std::uint64_t place_;
  bool whole_;
  std::uint64_t key_ = 0;
  std::array<Shard, kShards> shards_;
};

}  // namespace millrace::sql
