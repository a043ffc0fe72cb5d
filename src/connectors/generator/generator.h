// The connector "generator": made-up rows that look real, the same at every run.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> generator_connector();

}  // namespace millrace
