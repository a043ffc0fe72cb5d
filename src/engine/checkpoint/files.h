// Names and contents of the files of a checkpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"

namespace millrace::checkpoint_files {

/// The batches that files of a folder are named after, ascending: "log/000000000042.log" is 42.
[[nodiscard]] std::vector<std::int64_t> numbered(const std::string& folder,
                                                 const std::string& ending);
[[nodiscard]] std::string log_path(const std::string& checkpoint, std::int64_t first_batch);
[[nodiscard]] std::string snapshot_path(const std::string& checkpoint, std::int64_t batch);
[[nodiscard]] std::int64_t size_of(const std::string& path);

/// What is known of a checkpoint beside its logs and snapshots.
struct Description {
  Json json;           ///< that of checkpoint.json
  bool ahead = false;  ///< of the file: the process died after the snapshot of a rebuild
};
/// Reads it. A rebuild counts from its snapshot on, so what that says goes before what is in the
/// file. Throws Error if the file is damaged, of another version or that of another pipeline.
[[nodiscard]] Description read_description(const std::string& checkpoint,
                                           const std::string& pipeline);
/// The last committed batch before the last rebuild: what is older is state of another query.
/// nullopt: there was none.
[[nodiscard]] std::optional<std::int64_t> rebuilt_after(const Json& description);
/// Of the description without the checksum itself.
[[nodiscard]] std::string checksum_of(const Json& description);

[[nodiscard]] std::string offsets_payload(const LoggedBatch& batch);
[[nodiscard]] LoggedBatch parse_offsets(const Record& record, const std::string& path);
[[nodiscard]] std::string state_payload(const std::string& dataset, std::string_view piece);
/// Cuts a state record's payload into the dataset's name and the piece.
void cut_state(std::string& payload, std::string& dataset);
[[nodiscard]] std::string header_payload(const std::string& id, const Json& more);
/// Checks a header record's version and checkpoint id; returns its JSON. Throws Error.
[[nodiscard]] Json parse_header(const Record& record, const std::string& id,
                                const std::string& path);

/// The Error for a file that is not as it was written.
[[noreturn]] void throw_damaged(const std::string& path, std::int64_t offset,
                                const std::string& what);

}  // namespace millrace::checkpoint_files
