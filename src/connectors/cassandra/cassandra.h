// The connector "cassandra": tables of Apache Cassandra, and of what speaks its protocol.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> cassandra_connector();

}  // namespace millrace
