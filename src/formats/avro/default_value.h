// Defaults of a reader's fields.
#pragma once

#include <optional>
#include <string>

#include "formats/avro/schema.h"

namespace millrace::avro {

/// The bytes of a default as the specification writes it in JSON ("Records", field default values);
/// nullopt: it is no value of the type. Of a union, the first branch that it fits.
[[nodiscard]] std::optional<std::string> encode_default(const Node& type, const Json& value);

}  // namespace millrace::avro
