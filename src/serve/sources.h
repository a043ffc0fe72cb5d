// Sources that endpoints read: tables, whole, and lookups, by their keys.
#pragma once

#include <memory>

#include "engine/graph.h"
#include "serve/readable.h"

namespace millrace::serve {

/// Of a source that is a table or a lookup. Throws Error.
[[nodiscard]] std::shared_ptr<Readable> readable_source(const ReadableParts& parts,
                                                        const SourceNode& node);

}  // namespace millrace::serve
