// The connector "console": prints the rows of each batch as a table.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> console_connector();

}  // namespace millrace
