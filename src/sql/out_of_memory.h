// DuckDB reached its memory limit.
#pragma once

#include <string>

#include "base/error.h"

namespace millrace::sql {

/// Who knows all the datasets can tell what takes the memory.
class OutOfMemory final : public Error {
 public:
  explicit OutOfMemory(const std::string& text) : Error(Blame::user, text) {}
};

}  // namespace millrace::sql
