// How a checkpoint recognises its pipeline, and says what has changed since.
#pragma once

#include <set>
#include <string>

#include "engine/graph.h"

namespace millrace {

/// What a checkpoint keeps of a pipeline: per source, dataset and sink what its state and positions
/// depend on.
[[nodiscard]] Json fingerprints(const Graph& graph);

/// Compares those of a checkpoint with those of now, which are those of a graph. Changes that are
/// harmless are logged; for what would make the kept state wrong, throws an Error{Blame::user} that
/// names each and the way out. `rebuilt`: datasets whose state is not kept, but made anew.
void check_fingerprints(const Json& before, const Json& now, const Graph& graph,
                        const std::string& checkpoint, const std::set<std::size_t>& rebuilt = {});

}  // namespace millrace
