// Files of a batch, which have to be the same whenever it runs.
#pragma once

#include <cstddef>
#include <functional>

#include "core/object_store.h"
#include "core/source.h"

namespace millrace {

/// Throws Error if a file is gone, or is not as it was planned: a batch that runs again must read
/// the same rows. For who reads it, before and after. Objects are checked by each request that
/// reads them.
void check_unchanged(const FileScan& scan, const FileScan::File& file);

/// A file of a scan that is in a store.
[[nodiscard]] Object object_of(const FileScan& scan, const FileScan::File& file);

}  // namespace millrace
