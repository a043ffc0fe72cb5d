#include "sql/internal/row_seeds.h"

#include <algorithm>

namespace millrace::sql {

namespace {

constexpr std::size_t kFirstSeedSlots = 64;

/// FNV-1a: std::hash may be another one on another machine.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

std::uint64_t combine(std::uint64_t key, std::uint64_t word) {
  return mix_bits(key + 0x9e3779b97f4a7c15ULL + mix_bits(word));
}

}  // namespace

RowSeeds::RowSeeds(std::string_view dataset, std::uint64_t place, bool whole)
    : place_(combine(hash_of(dataset), place)), whole_(whole) {}

void RowSeeds::begin_batch(std::int64_t batch, std::int64_t time_us) {
  key_ = combine(combine(place_, static_cast<std::uint64_t>(batch)),
                 static_cast<std::uint64_t>(time_us));
  forget();
}

void RowSeeds::begin_run() {
  if (whole_) {
    forget();
  }
}

void RowSeeds::forget() {
  for (Shard& shard : shards_) {
    shard.slots = {};  // gives the memory back: the next batch may be a small one
    shard.used = 0;
  }
}

void RowSeeds::give(const std::uint64_t* hashes, std::size_t count, Bits* seeds) {
  for (std::size_t s = 0; s < kShards; ++s) {
    Shard& shard = shards_[s];
    std::unique_lock guard(shard.lock, std::defer_lock);
    for (std::size_t i = 0; i < count; ++i) {
      if (hashes[i] >> 60U == s) {
        if (!guard.owns_lock()) {
          guard.lock();
        }
        seeds[i] = scramble({hashes[i], shard.count(hashes[i])}, key_);
      }
    }
  }
}

std::uint64_t RowSeeds::Shard::count(std::uint64_t hash) {
  if (used * 4 >= slots.size() * 3) {
    grow();
  }
  const std::size_t mask = slots.size() - 1;
  std::size_t at = hash & mask;
  while (slots[at].times != 0 && slots[at].hash != hash) {
    at = (at + 1) & mask;
  }
  used += slots[at].times == 0 ? 1 : 0;
  slots[at].hash = hash;
  return slots[at].times++;
}

void RowSeeds::Shard::grow() {
  const std::vector<Slot> old =
      std::exchange(slots, std::vector<Slot>(std::max(kFirstSeedSlots, slots.size() * 2)));
  const std::size_t mask = slots.size() - 1;
  for (const Slot& slot : old) {
    if (slot.times != 0) {
      std::size_t at = slot.hash & mask;
      while (slots[at].times != 0) {
        at = (at + 1) & mask;
      }
      slots[at] = slot;
    }
  }
}

}  // namespace millrace::sql
