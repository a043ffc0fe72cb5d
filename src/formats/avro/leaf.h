// Single values: which operation makes a column's type of an Avro type.
#pragma once

#include <optional>

#include "core/type.h"
#include "formats/avro/plan.h"

namespace millrace::avro {

/// Whether numbers may lose digits: the specification's promotions (long to float) do, columns that
/// a pipeline declares do not.
enum class Rounding : std::uint8_t { refused, as_promoted };

/// nullopt: the values can't become the type without loss. `meaning` is the logical type that they
/// are read by, the writer's or a reader's.
[[nodiscard]] std::optional<Leaf> leaf_of(const Node& writer, const Node& meaning, const Type& type,
                                          Rounding rounding);

}  // namespace millrace::avro
