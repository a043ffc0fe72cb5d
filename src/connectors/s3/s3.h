// Stores that speak S3's protocol: AWS's own, and compatible ones.
#pragma once

#include <memory>

#include "core/object_store.h"

namespace millrace {

[[nodiscard]] std::unique_ptr<ObjectStores> s3_stores();

}  // namespace millrace
