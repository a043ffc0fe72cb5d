// Whether a server gives back what was written.
#pragma once

#include <optional>
#include <string_view>

#include "connectors/cassandra/protocol/cql_type.h"

namespace millrace::cassandra {

/// Compares two values as the protocol has them ([value], without its length; nullopt: NULL). A
/// server keeps no order of what is written into sets and maps, nor repeats; a collection that is
/// not frozen has no empty value; and fields that a UDT has got since are NULL.
[[nodiscard]] bool is_same_value(const CqlType& type, std::optional<std::string_view> written,
                                 std::optional<std::string_view> read);

}  // namespace millrace::cassandra
