// Puts together the small files of a pipeline that does not run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/connector.h"
#include "core/sink.h"
#include "spec/pipeline.h"

namespace millrace {

/// What became of a sink's files.
struct SinkCompacted {
  std::string sink;
  Compacted files;
};

/// Takes the checkpoint's lock, and opens these sinks as of the last commit (none named: all that
/// append to files). Reads no source. `say` hears of each file. Mistakes go into `diagnostics`, and
/// nothing is done. Throws Error.
[[nodiscard]] std::vector<SinkCompacted> compact_sinks(
    const PipelineSpec& spec, const ConnectorList& connectors,
    const std::vector<std::string>& sinks, const CompactOptions& options,
    const std::function<void(const std::string&)>& say, Diagnostics& diagnostics);

}  // namespace millrace
