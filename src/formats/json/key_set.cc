#include "formats/json/key_set.h"

#include <random>

#include "formats/json/plan.h"

namespace millrace::json {
namespace {

constexpr std::size_t kFew = 16;

std::uint32_t seeded_hash(std::string_view key) {
  static const std::uint64_t kSeed = std::random_device{}() + 0x1'0000'0000ULL;
  return static_cast<std::uint32_t>(hash_of(key, kSeed));
}

}  // namespace

bool KeySet::add(std::string_view key, const StringRef* keys, std::size_t first) {
  if (size_ < kFew) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (keys[first + i].view() == key) {
        return false;
      }
    }
    ++size_;
    return true;
  }
  if (size_ == kFew || 2 * size_ > slots_.size()) {
    make_room(keys, first);
  }
  const std::uint32_t hash = seeded_hash(key);
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at].place != 0;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash && keys[first + slots_[at].place - 1].view() == key) {
      return false;
    }
  }
  put(hash, size_);
  ++size_;
  return true;
}

void KeySet::make_room(const StringRef* keys, std::size_t first) {
  slots_.assign(size_ == kFew ? 4 * kFew : 2 * slots_.size(), Slot{});
  for (std::size_t i = 0; i < size_; ++i) {
    put(seeded_hash(keys[first + i].view()), i);
  }
}

void KeySet::put(std::uint32_t hash, std::size_t place) {
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].place != 0) {
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = {.hash = hash, .place = static_cast<std::uint32_t>(place + 1)};
}

}  // namespace millrace::json
