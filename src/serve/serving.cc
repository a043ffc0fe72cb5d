#include "serve/serving.h"

#include <utility>

#include "engine/graph.h"
#include "serve/readable.h"

namespace millrace::serve {

Serving serving_of(const PipelineSpec& spec, const ConnectorList& connectors,
                   sql::LiveTables& tables) {
  Serving serving;
  if (!spec.serve) {
    return serving;
  }
  serving.live = &tables;
  Diagnostics diagnostics;
  sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
  const auto graph = build_graph(spec, connectors, database, diagnostics);
  if (!graph) {
    return serving;
  }
  for (std::string& name : live_datasets(spec, *graph)) {
    serving.tables.push_back({std::move(name), spec.serve->at});
  }
  return serving;
}

}  // namespace millrace::serve
