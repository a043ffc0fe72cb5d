// What people are told of a pipeline with every batch, and what never changes while it runs.
#pragma once

#include <memory>

#include "engine/graph.h"
#include "engine/progress.h"

namespace millrace {

/// `fingerprints`: as the checkpoint has them.
[[nodiscard]] std::shared_ptr<const PipelineFacts> facts_of(const Graph& graph,
                                                            const Json& fingerprints);

}  // namespace millrace
