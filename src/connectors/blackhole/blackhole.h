// The connector "blackhole": takes everything, keeps nothing, counts rows. For tests and
// benchmarks.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> blackhole_connector();

}  // namespace millrace
