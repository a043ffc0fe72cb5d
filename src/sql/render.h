// Values as text, as SQL's CAST(... AS VARCHAR) writes them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/chunk.h"

namespace millrace::sql {

/// The rows of a chunk, each value as text; NULL is nullopt. For people: not a hot path.
[[nodiscard]] std::vector<std::vector<std::optional<std::string>>> render(const Chunk& chunk);

}  // namespace millrace::sql
