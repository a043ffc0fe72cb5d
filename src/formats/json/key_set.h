// The keys of one MAP, none of which may be there twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/chunk.h"

namespace millrace::json {

/// Says whether a key is new. The first few are compared one by one, more are hashed, with a seed
/// of the process's own: nobody can write records whose keys all fall together.
class KeySet {
 public:
  /// Adds the key that will be keys[first + size()]; false: it is among those before. `keys` may
  /// move between calls.
  [[nodiscard]] bool add(std::string_view key, const StringRef* keys, std::size_t first);
  void clear() noexcept { size_ = 0; }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t place = 0;  // + 1; 0: empty
  };

  void make_room(const StringRef* keys, std::size_t first);
  void put(std::uint32_t hash, std::size_t place);

  std::size_t size_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace millrace::json
