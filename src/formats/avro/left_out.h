// What records have and rows do not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/avro/plan.h"
#include "formats/avro/plans.h"

namespace millrace::avro {

/// A field of the writer's schema that a plan jumps over.
struct LeftOut {
  std::string place;  ///< "price", "items[].colour"
  const Node* type = nullptr;
  bool is_nested = false;  ///< in a value of a column; else it is a field of the record itself
};
/// In the order of the writer's fields. Points into the plan's schema.
[[nodiscard]] std::vector<LeftOut> left_out(const Plan& plan);

/// Where nothing may be left out: in the record, or only in what fields of it become.
enum class Whole : std::uint8_t { record, fields };
/// Resolves as `resolve` does, and throws formats::SchemaChange for schemas that do not fit or have
/// a field that would be left out.
[[nodiscard]] Plans::Resolve nothing_left_out(Plans::Resolve resolve, Whole what = Whole::record);

}  // namespace millrace::avro
