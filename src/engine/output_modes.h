// In which mode a sink takes what its dataset gives, and by which key.
#pragma once

#include "engine/graph.h"

namespace millrace {

/// Gives a sink its mode, the one in its spec or else what the plan and the sink can do best, and
/// in mode update its key; or reports why it can't have them.
void choose_mode(SinkNode& node, const sql::Plan& plan, Diagnostics& diagnostics);
/// Reports if a sink can't append rows.
void check_appends(const SinkNode& node, Diagnostics& diagnostics);
/// Reports why a sink of late rows can't have those of a plan. `pipeline`: its other sinks may be
/// the reason.
void check_late(const SinkNode& node, const sql::Plan& plan, const PipelineSpec& pipeline,
                Diagnostics& diagnostics);

}  // namespace millrace
