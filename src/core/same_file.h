// Whether a file is as it was.
#pragma once

#include "core/source.h"

namespace millrace {

/// What was found twice under one path, and has not changed meanwhile as far as can be told.
[[nodiscard]] inline bool same_file(const FileScan::File& a, const FileScan::File& b) {
  return a.path == b.path && a.size == b.size && a.mtime_ns == b.mtime_ns && a.etag == b.etag;
}

}  // namespace millrace
