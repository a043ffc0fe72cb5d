// What a pipeline has to keep readable for its `serve:`.
#pragma once

#include "core/connector.h"
#include "engine/serving.h"
#include "spec/pipeline.h"
#include "sql/live_tables.h"

namespace millrace::serve {

/// The datasets whose rows endpoints read as of a batch, for Pipeline and load_live_tables(). Plans
/// the pipeline once, in a database of its own; nothing if it has no `serve:`, or a mistake, which
/// whoever runs it will report.
[[nodiscard]] Serving serving_of(const PipelineSpec& spec, const ConnectorList& connectors,
                                 sql::LiveTables& tables);

}  // namespace millrace::serve
