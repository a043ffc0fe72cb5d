// Shapes of answers, as a file has them.
#pragma once

#include "base/error.h"
#include "base/node.h"
#include "spec/serve.h"

namespace millrace {

/// Reads one: mappings, lists and values as in JSON, with the words of kShapeWords in the places of
/// values. Reports words that begin with `$` and are none of them.
[[nodiscard]] AnswerShape read_shape(const Node& node, Diagnostics& diagnostics);

}  // namespace millrace
