// The connector "nexmark": the events of the Nexmark benchmark, an auction house made up.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> nexmark_connector();

}  // namespace millrace
