// The connector "rate": rows at a steady rate, as Spark's rate source. For trying things out.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> rate_connector();

}  // namespace millrace
