// The rows of one batch by the parts of the graph that users know, so that none goes unnamed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/progress.h"

namespace millrace {

/// A source, dataset or sink in one batch. For each of them
///
///   in + emitted = out + filtered + late + duplicate + quarantined + absorbed
///
/// Of a source: records in, rows out, malformed ones and those that checks put aside quarantined.
/// Of a dataset: `in` are the rows of its streams (of tables, if it reads no stream); rows that
/// come out of state, or that a join or unnest adds, are emitted; rows that WHERE, joins, HAVING,
/// LIMIT and checks (`drop`) take out are filtered. Of a sink: rows given to it, and written; those
/// it can't write are quarantined; those of parts of a table that nothing changed in are absorbed:
/// they stay as they are.
struct NodeFigures {
  enum class Kind : std::uint8_t { source, dataset, sink };
  std::string id;  ///< the name; of a sink, sink_id()
  Kind kind = Kind::dataset;
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t emitted = 0;
  std::int64_t absorbed = 0;
  std::int64_t filtered = 0;
  std::int64_t late = 0;
  std::int64_t duplicate = 0;
  std::int64_t quarantined = 0;
  Span span;  ///< from the first work on it, and the time that its own work took, of all phases
  std::int64_t bytes = -1;  ///< of the rows out; -1: not known
  std::int64_t state_rows = 0;
  std::int64_t state_bytes = 0;
  std::int64_t state_changed = 0;  ///< rows touched by the batch
  std::int64_t state_evicted = 0;  ///< rows forgotten by it
  std::int64_t state_disk_bytes = 0;
  std::optional<std::int64_t> state_oldest_us;  ///< as sql::StateStats
};

/// Sources, then datasets, then sinks. What the graph made to read sources and for checks is part
/// of the source or dataset that it was made for.
[[nodiscard]] std::vector<NodeFigures> node_figures(const BatchProgress& batch);

}  // namespace millrace
