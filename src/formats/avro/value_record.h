// Data whose records are single values: texts, numbers, unions.
#pragma once

#include <string_view>

#include "core/schema.h"
#include "formats/avro/plans.h"

namespace millrace::avro {

/// A schema of single values as one of records with one field, whose bytes are the same: called as
/// the one column of `declared`, or `name` if it has none. A schema of records is given back.
/// Throws Error (user) for several columns, declared by `option`.
[[nodiscard]] SharedSchema as_record(const SharedSchema& schema, const millrace::Schema& declared,
                                     std::string_view name = "value",
                                     std::string_view option = "schema");

}  // namespace millrace::avro
