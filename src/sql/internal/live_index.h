// From keys to rows: hash tables that know nothing of keys but their hashes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "sql/internal/live_page.h"

namespace millrace::sql {

/// Open addressing, linear probing. An entry has a `hash`, and says by `is_free()` that it is none.
/// Several may have the same hash. Not thread-safe.
template <class Entry>
class HashSlots {
 public:
  /// The entry with this hash that `is_it` takes; nullptr: there is none.
  template <class IsIt>
  [[nodiscard]] const Entry* find(std::uint32_t hash, const IsIt& is_it) const {
    const std::size_t at = place_of(hash, is_it);
    return at == kNowhere ? nullptr : &slots_[at];
  }
  template <class IsIt>
  [[nodiscard]] Entry* find(std::uint32_t hash, const IsIt& is_it) {
    const std::size_t at = place_of(hash, is_it);
    return at == kNowhere ? nullptr : &slots_[at];
  }
  void insert(const Entry& entry) {
    if ((used_ + 1) * 4 > slots_.size() * 3) {
      grow();
    }
    place(entry);
    used_++;
  }
  /// Soon find() will be called with this hash.
  void prefetch(std::uint32_t hash) const {
    if (!slots_.empty()) {
      __builtin_prefetch(&slots_[hash & mask()]);
    }
  }
  template <class IsIt>
  void erase(std::uint32_t hash, const IsIt& is_it) {
    std::size_t hole = place_of(hash, is_it);
    if (hole == kNowhere) {
      return;
    }
    // Those behind it move up, unless they would then stand before where they are looked for.
    for (std::size_t at = (hole + 1) & mask(); !slots_[at].is_free(); at = (at + 1) & mask()) {
      const std::size_t home = slots_[at].hash & mask();
      if (((at - home) & mask()) >= ((at - hole) & mask())) {
        slots_[hole] = slots_[at];
        hole = at;
      }
    }
    slots_[hole] = Entry();
    used_--;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return slots_.capacity() * sizeof(Entry); }

 private:
  static constexpr std::size_t kNowhere = SIZE_MAX;

  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  template <class IsIt>
  [[nodiscard]] std::size_t place_of(std::uint32_t hash, const IsIt& is_it) const {
    if (slots_.empty()) {
      return kNowhere;
    }
    for (std::size_t at = hash & mask(); !slots_[at].is_free(); at = (at + 1) & mask()) {
      if (slots_[at].hash == hash && is_it(slots_[at])) {
        return at;
      }
    }
    return kNowhere;
  }
  void place(const Entry& entry) {
    std::size_t at = entry.hash & mask();
    while (!slots_[at].is_free()) {
      at = (at + 1) & mask();
    }
    slots_[at] = entry;
  }
  void grow() {
    constexpr std::size_t kFirst = 8;
    std::vector<Entry> old(std::max(kFirst, slots_.size() * 2));
    old.swap(slots_);
    for (const Entry& entry : old) {
      if (!entry.is_free()) {
        place(entry);
      }
    }
  }

  std::vector<Entry> slots_;
  std::size_t used_ = 0;
};

/// The newest row of each key of a live table. One writer, which changes one entry at a time; any
/// number of readers beside it. What a reader finds may be newer than what it may see.
class LiveIndex {
 public:
  /// For readers: the page lives on as long as it is held; nullptr: there is none.
  template <class IsIt>
  [[nodiscard]] std::pair<std::shared_ptr<const LivePage>, std::size_t> look_up(
      std::uint64_t hash, const IsIt& is_it) const {
    const Part& part = part_of(hash);
    const std::shared_lock guard(part.lock);
    const Entry* found = find_in(part, hash, is_it);
    if (found == nullptr) {
      return {};
    }
    return {found->page->shared_from_this(), found->row};
  }
  /// For the writer, who needs no lock to read.
  template <class IsIt>
  [[nodiscard]] LiveRow find(std::uint64_t hash, const IsIt& is_it) const {
    const Entry* found = find_in(part_of(hash), hash, is_it);
    return found == nullptr ? LiveRow() : LiveRow{found->page, found->row};
  }
  /// A row whose key has this hash, and likely the one that is looked for.
  [[nodiscard]] LiveRow first(std::uint64_t hash) const {
    return find(hash, [](LiveRow) { return true; });
  }
  void prefetch(std::uint64_t hash) const { part_of(hash).slots.prefetch(low(hash)); }
  void insert(std::uint64_t hash, LiveRow row) {
    Part& part = part_of(hash);
    const std::unique_lock guard(part.lock);
    part.slots.insert({row.page, row.row, low(hash)});
  }
  /// `from` must be there.
  void move(std::uint64_t hash, LiveRow from, LiveRow to) {
    Part& part = part_of(hash);
    const std::unique_lock guard(part.lock);
    *part.slots.find(low(hash), [&](const Entry& each) { return each.is(from); }) = {
        to.page, to.row, low(hash)};
  }
  void erase(std::uint64_t hash, LiveRow row) {
    Part& part = part_of(hash);
    const std::unique_lock guard(part.lock);
    part.slots.erase(low(hash), [&](const Entry& each) { return each.is(row); });
  }
  /// For the writer.
  [[nodiscard]] std::int64_t bytes() const {
    std::size_t bytes = sizeof(*parts_);
    for (const Part& part : *parts_) {
      bytes += part.slots.bytes();
    }
    return static_cast<std::int64_t>(bytes);
  }

 private:
  struct Entry {
    LivePage* page = nullptr;
    std::uint32_t row = 0;
    std::uint32_t hash = 0;
    [[nodiscard]] bool is_free() const noexcept { return page == nullptr; }
    [[nodiscard]] bool is(LiveRow other) const noexcept {
      return page == other.page && row == other.row;
    }
  };
  /// Small, so that it grows in no time while it is locked.
  struct Part {
    mutable std::shared_mutex lock;
    HashSlots<Entry> slots;
  };

  [[nodiscard]] static std::uint32_t low(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash);
  }
  [[nodiscard]] Part& part_of(std::uint64_t hash) const noexcept { return (*parts_)[hash >> 56U]; }
  template <class IsIt>
  static const Entry* find_in(const Part& part, std::uint64_t hash, const IsIt& is_it) {
    return part.slots.find(low(hash),
                           [&](const Entry& each) { return is_it(LiveRow{each.page, each.row}); });
  }

  std::unique_ptr<std::array<Part, 256>> parts_ = std::make_unique<std::array<Part, 256>>();
};

}  // namespace millrace::sql
