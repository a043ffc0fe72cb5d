// Where a batch began and ended to read a source, partition by partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/progress.h"

namespace millrace::control {

/// A partition of a source in one batch. Places are as the source has them: offsets of a topic,
/// numbers of rows, texts; null: not known.
struct SourcePart {
  std::string name;  ///< "orders/0" of a topic, "files", or "all" of a source that has no parts
  Json from;
  Json to;                                   ///< the first that the batch did not read
  Json head;                                 ///< where the system's rows ended, as far as is known
  std::optional<std::int64_t> watermark_us;  ///< newest event time less the delay
  std::optional<std::int64_t> active_us;     ///< time of the last batch that had rows of it
};

/// At most this many are given: the first by name, and those that hold a watermark back.
inline constexpr std::size_t kSourcePartsMax = 256;

/// `watermark`: that of the source; nullptr: it has none.
[[nodiscard]] std::vector<SourcePart> parts_of(const SourceProgress& source,
                                               const WatermarkProgress* watermark);

/// That of this name; nullptr: there is none.
[[nodiscard]] const WatermarkProgress* watermark_of(const BatchProgress& batch,
                                                    std::string_view name);

}  // namespace millrace::control
