// The sink of all that is put aside (`quarantine:` of a pipeline): which rows it gets.
#pragma once

#include <cstdint>

#include "core/schema.h"
#include "core/sink.h"
#include "engine/batch_run.h"

namespace millrace {

/// The columns of its rows. No name of them is a reserved word of SQL, or one that a sink takes for
/// something else than a column.
[[nodiscard]] const Schema& quarantine_columns();

/// Gives a sink the rows that a batch has put aside, when its quarantines are published. They are
/// read back from there in parts, so memory does not grow with their number. Returns how many they
/// are: a record in parts is a row for each of them. One thread. Throws Error.
std::int64_t write_quarantined(const BatchOutputs& outputs, SinkBatch& to);

}  // namespace millrace
