// Slices that are made of what is in a source's quarantine, in place of what it has next.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/source.h"
#include "engine/quarantine_files.h"

namespace millrace {

/// As it stands in the offset log: {"quarantine": [3, 7]}, the batches whose rows are read again.
[[nodiscard]] Json replay_slice(const std::vector<std::int64_t>& batches);
/// nullopt: a slice of the source's own.
[[nodiscard]] std::optional<std::vector<std::int64_t>> replayed_batches(const Json& offsets);
/// Slices of files, by source; a file that is named twice is read once.
[[nodiscard]] std::map<std::string, Json> replay_slices(const std::vector<KeptFile>& files);

}  // namespace millrace
