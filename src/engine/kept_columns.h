// The columns of growing sources (core/growing_columns.h), as a checkpoint keeps them.
#pragma once

#include "core/growing_columns.h"
#include "core/source.h"
#include "spec/pipeline.h"

namespace millrace {

/// Has a source begin with the columns that the pipeline's checkpoint has of it, if it grows and
/// there are any. Throws Error if the checkpoint is damaged.
void begin_with_kept_columns(Source& source, const std::string& name, const PipelineSpec& spec);

/// Adds the columns of a source that grows to its fingerprint.
void add_columns(Source& source, Json& fingerprint);
/// Fingerprints with the new columns of a source.
[[nodiscard]] Json with_columns(Json fingerprints, const ColumnsGrew& grew);

}  // namespace millrace
