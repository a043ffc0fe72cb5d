// What records have and rows do not.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/schema.h"
#include "formats/avro/plan.h"
#include "formats/avro/plans.h"

namespace millrace::avro {

/// A field of the writer's schema that a plan jumps over. What lies around the row (Plan::field) is
/// none of its fields.
struct LeftOut {
  std::string place;  ///< "price", "items[].colour"
  const Node* type = nullptr;
  bool is_nested = false;  ///< in a value of a column; else it is a field of the row's record
};
/// In the order of the writer's fields. Points into the plan's schema.
[[nodiscard]] std::vector<LeftOut> left_out(const Plan& plan);

/// What a plan leaves out of a record: a field, or the record in a field of which the plan reads
/// others. Elements of arrays and maps, and unions of several types, have no place here.
struct RestField {
  std::string name;               ///< the writer's
  std::string column;             ///< what the row calls it; a field that is left out: the same
  const Node* type = nullptr;     ///< of a field that is left out
  std::vector<RestField> fields;  ///< left out of the record; empty: the field itself is left out

  [[nodiscard]] bool is_left_out() const noexcept { return fields.empty(); }
};
/// First the fields that are left out, then the records; both in the order of the writer's fields.
/// Points into the plan's schema.
[[nodiscard]] std::vector<RestField> rest_fields(const Plan& plan);
/// As columns: a record is a STRUCT. Throws Error (user) for what SQL has no type for.
[[nodiscard]] millrace::Schema columns_of(std::span<const RestField> fields);
/// How records that a plan reads become rows of those columns, and of no others.
[[nodiscard]] Plan rest_plan(const Plan& plan);

/// Resolves as `resolve` does, and throws formats::SchemaChange for schemas that do not fit or have
/// a field that would be left out.
[[nodiscard]] Plans::Resolve nothing_left_out(Plans::Resolve resolve);

/// Gets all columns, and the new ones among them; throws ColumnsGrew.
using Grow = std::function<void(const Schema& columns, const Schema& fresh)>;
/// Resolves as `resolve` does, whose rows are of `columns`; `grow` gets those that the fields of
/// the row's record can become beside them: no name differs from another one in case alone.
[[nodiscard]] Plans::Resolve growing(Plans::Resolve resolve, Schema columns, Grow grow);

}  // namespace millrace::avro
