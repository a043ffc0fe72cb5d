// The list of all connectors of this binary.
#pragma once

#include "core/connector.h"

namespace millrace {

[[nodiscard]] ConnectorList all_connectors();

}  // namespace millrace
