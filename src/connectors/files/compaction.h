// Small files that were written before are put together into larger ones.
#pragma once

#include <functional>
#include <string>

#include "connectors/files/output_place.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace {

/// Partition by partition, in the order of their batches. Readers find the rows of the files that
/// are put together twice for the moment between a file's publication and the removal of what is in
/// it, and never not at all. What is to be removed is written down first, in SinkStart::folder.
/// `files`: how they are written.
[[nodiscard]] Compacted compact(sql::Database& database, const OutputJob& job, OutputPlace& place,
                                const sql::FileWriterOptions& files, const CompactOptions& options,
                                const std::function<void(const std::string&)>& say);

/// Does what a process that died in compact() had left to do.
void end_compaction(OutputPlace& place, const OutputJob& job);

}  // namespace millrace
