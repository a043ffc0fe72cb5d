// What a quarantine holds, for people and to be read again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/malformed.h"

namespace millrace {

/// The rows that one batch put aside of a source, or of a sink.
struct KeptFile {
  std::string of;  ///< the source or sink
  std::int64_t batch = 0;
  std::string path;
  std::int64_t bytes = 0;
};

/// The files of a quarantine's folder, by name and batch. None: there is no such folder.
[[nodiscard]] std::vector<KeptFile> kept_files(const std::string& folder);

/// The rows of a file, in its order. Throws Error (external) that names the file and line for what
/// is no row.
[[nodiscard]] MalformedRows kept_rows(const std::string& path);
/// The rows of a source's files of some batches, one file after the other.
[[nodiscard]] MalformedRows kept_rows(const std::string& folder, const std::string& of,
                                      const std::vector<std::int64_t>& batches);

}  // namespace millrace
