// Sources that endpoints read: tables, whole, and lookups, by their keys.
#pragma once

#include <memory>

#include "core/source.h"
#include "serve/readable.h"
#include "spec/pipeline.h"

namespace millrace::serve {

/// What they are made of; all of it outlives them.
struct SourceParts {
  const PipelineSpec& spec;
  const ConnectorList& connectors;
  sql::Database& database;
  std::chrono::milliseconds refresh{1'000};  ///< how old what is known of a source may be
  std::stop_token stop = {};
  sql::KeptFiles* kept = nullptr;  ///< rows of files in memory; nullptr: none
};

/// nullptr: there was a mistake, which has been reported. Throws Error.
[[nodiscard]] std::unique_ptr<Source> make_source(const SourceParts& parts, const SourceSpec& spec,
                                                  Diagnostics& diagnostics);

/// Of a source that is a table or a lookup. Throws Error.
[[nodiscard]] std::shared_ptr<Readable> readable_source(const SourceParts& parts,
                                                        const SourceSpec& spec);

}  // namespace millrace::serve
