// The connector "mysql": tables of MySQL and MariaDB, read and written.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> mysql_connector();

}  // namespace millrace
