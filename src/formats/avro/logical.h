// Attributes of a schema's JSON that give bytes a meaning.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/avro/schema.h"

namespace millrace::avro {

/// An attribute that is a whole number from 0 to 2^31 - 1.
[[nodiscard]] std::optional<std::int64_t> count_of(const Json& object, const char* attribute);

/// Sets the logical type of a node. What is not understood, or doesn't fit the node, is left out,
/// as the specification wants it. Without a logical type, the names that Debezium
/// gives its types of times (`connect.name`) count as one.
void read_logical(const Json& object, Node& node);

/// The nanoseconds of the unit in which times of day and timestamps are counted; 0: it is neither.
[[nodiscard]] std::int64_t nanos_of(Logical logical) noexcept;
[[nodiscard]] bool is_time_of_day(Logical logical) noexcept;

}  // namespace millrace::avro
