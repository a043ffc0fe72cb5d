// Schemas that use types of other schemas.
#pragma once

#include <string>
#include <vector>

#include "formats/avro/schema.h"

namespace millrace::kafka {

/// A schema that another one refers to.
struct ReferencedSchema {
  std::string name;  ///< for messages: "`shop.Address` version 3"
  std::string json;
};

/// Parses a writer's schema. `references` come in an order such that each one uses only those
/// before it. Throws Error (user) that names the place.
[[nodiscard]] avro::AvroSchema parse_with_references(
    const std::string& json, const std::vector<ReferencedSchema>& references);

}  // namespace millrace::kafka
