// The connector "files": folders of CSV, JSON lines, Parquet and Avro files, of this machine or in
// object stores, as sources and sinks.
#pragma once

#include <memory>

#include "core/connector.h"
#include "core/object_store.h"

namespace millrace {

/// `stores`: those whose paths it takes beside local ones.
[[nodiscard]] std::unique_ptr<Connector> files_connector(std::unique_ptr<ObjectStores> stores);

}  // namespace millrace
