// The watermark that a pipeline file declares for a source or dataset.
#pragma once

#include <string>

#include "engine/graph.h"

namespace millrace {

/// Gives a dataset of the graph its watermark, or reports what is wrong with it. `what`: "source
/// clicks".
void set_watermark(DatasetNode& node, const WatermarkSpec& watermark, const std::string& what,
                   Diagnostics& diagnostics);

/// What is known of the event times of a dataset's columns, with its watermark.
[[nodiscard]] EventTimes event_times_of(const DatasetNode& node);

}  // namespace millrace
