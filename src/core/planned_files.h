// Files of a batch, which have to be the same whenever it runs.
#pragma once

#include "core/source.h"

namespace millrace {

/// Throws Error if a file is gone, or is not as it was planned: a batch that runs again must read
/// the same rows. For who reads it, before and after.
void check_unchanged(const FileScan::File& file);

}  // namespace millrace
