// The pipelines of a folder, as a service finds them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/connector.h"
#include "spec/pipeline.h"

namespace millrace {

/// A file of a pipeline.
struct FoundPipeline {
  std::string file;
  std::string name;  ///< of the pipeline; empty: the file does not even tell that
  /// The same as long as nothing that makes the pipeline has changed: the text of the file, what
  /// its references (${env:..}, ${file:..}) stand for, and the files that it names, its data aside.
  std::uint64_t version = 0;
  std::optional<PipelineSpec> spec;  ///< none: it has mistakes
  Diagnostics diagnostics;
};

struct FolderScan {
  std::vector<FoundPipeline> pipelines;  ///< by the names of their files
  std::vector<std::string> notes;        ///< on files that are left out, a sentence each
};

/// Reads all *.yaml and *.yml of a folder, but not of folders in it, nor hidden ones. One without a
/// top-level `pipeline:` is none, and noted. Throws Error if the folder cannot be read.
[[nodiscard]] FolderScan scan_folder(const std::string& folder, const ConnectorList& connectors);

/// Reads one of them again; nullopt: it is no pipeline.
[[nodiscard]] std::optional<FoundPipeline> read_found(const std::string& file,
                                                      const ConnectorList& connectors);

}  // namespace millrace
