// Takes what forgotten groups left behind out of a state.
#pragma once

#include "sql/internal/state/group_state.h"

namespace millrace::sql {

/// Whether some partition of a state holds more of the dead than of the living.
[[nodiscard]] bool needs_compaction(const GroupState& state);

/// Moves the living groups of one such partition into a new table. What it costs is paid for by as
/// many groups that came and went; one partition at a time, so that no batch waits long. Between
/// two batches, as the groups count as touched.
void compact(GroupState& state);

}  // namespace millrace::sql
