// The graph of a pipeline as the control API gives it (`Graph` of the contract).
#pragma once

#include <string>
#include <string_view>

#include "engine/graph.h"

namespace millrace::control {

/// {nodes: [{id, name, kind, op, group, detail, sql, stateful, columns, checks, table}], edges:
/// [{from, to}]}. The ids of sinks are sink_id(): their names may be those of datasets. `op`: in
/// words, "filter, map", "grouped aggregation", "join"; for sources and sinks, the type of their
/// connector. `group`: the folder of the dataset's SQL file, from that of the pipeline file;
/// missing if the SQL has no file of its own. Datasets that checks are made of are part of the one
/// they check. Asks every plan for its text, so not for each batch: the graph of a Pipeline never
/// changes.
[[nodiscard]] Json graph_json(const Graph& graph);

/// What the operators of a plan do, in words and in the order in which rows meet them: "filter,
/// map". `plan`: its text, as sql::Plan::explain() gives it.
[[nodiscard]] std::string operators_in_words(std::string_view plan);

}  // namespace millrace::control
