// The connector "files": folders of CSV, JSON lines and Parquet files, as sources and sinks.
#pragma once

#include <memory>

#include "core/connector.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<Connector> files_connector();

}  // namespace millrace
