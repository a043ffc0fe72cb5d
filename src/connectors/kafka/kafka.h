// The Kafka connector: topics as sources.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> kafka_connector();

}  // namespace millrace
