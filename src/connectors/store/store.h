// The connector "store": tables of an embedded DuckDB file, read and written in transactions.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> store_connector();

}  // namespace millrace
