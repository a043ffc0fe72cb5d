// How large rows are, roughly.
#pragma once

#include <cstdint>
#include <vector>

#include "core/chunk.h"

namespace millrace {

/// The bytes of a chunk's values as they lie in memory: fixed sizes, and the lengths of texts. A
/// nested value counts as 16 bytes, whatever is in it. `kept`: which columns count; empty: all.
[[nodiscard]] std::int64_t bytes_of(const Chunk& chunk, const std::vector<bool>& kept = {});

}  // namespace millrace
