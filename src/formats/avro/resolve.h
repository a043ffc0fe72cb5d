// How a writer's data becomes rows: schema resolution (specification 1.12, "Schema Resolution").
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/schema.h"
#include "formats/avro/plan.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

/// Columns that the writer's schema does not have.
enum class Missing : std::uint8_t {
  refused,  ///< a mistake
  null,     ///< NULL in all rows: older data, from before the column was there
};

// All throw Error (user) with the column's name if the two can't match whatever the data; where
// only some data can't (a branch of a union, a symbol of an enum), its records are malformed.

/// Rows as the writer's schema has them (columns.h).
[[nodiscard]] Plan resolve(const std::shared_ptr<const AvroSchema>& writer);

/// Rows as a reader's schema has them, by the rules of the specification. Where it leaves a choice:
/// names match without namespaces, or by the reader's aliases; of a reader's union, a branch of the
/// very same type comes before the first that matches; logical types of different units are
/// converted.
[[nodiscard]] Plan resolve(const std::shared_ptr<const AvroSchema>& writer,
                           const std::shared_ptr<const AvroSchema>& reader);

/// Rows of columns that a pipeline declares, found by name without regard to case if there is no
/// exact match. Values must fit without loss whatever they are; nanoseconds may become
/// microseconds, instants may be read as TIMESTAMP (in UTC), and logical types as the integers or
/// bytes below them.
[[nodiscard]] Plan resolve(const std::shared_ptr<const AvroSchema>& writer,
                           const millrace::Schema& columns, Missing missing = Missing::refused);

/// The same with one field of the writer's record as the row: a record, or a union of them and null
/// (data where it is null is malformed). What lies around it is jumped over.
[[nodiscard]] Plan resolve_field(const std::shared_ptr<const AvroSchema>& writer,
                                 std::string_view field, const millrace::Schema& columns,
                                 Missing missing = Missing::refused);

}  // namespace millrace::avro
