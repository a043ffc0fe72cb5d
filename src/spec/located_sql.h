// SQL, inline in the YAML or in a file of its own, that knows where each of its bytes stands.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"

namespace millrace {

struct SqlText {
  std::string text;
  Location at;  ///< where the text begins
  /// From byte `offset` on, the text stands in the file from this line and column on. Empty: the
  /// text stands in the file as it is, from `at` on.
  struct Run {
    std::size_t offset = 0;
    int line = 0;
    int column = 0;
  };
  std::vector<Run> runs;
  /// The place of a byte of `text`.
  [[nodiscard]] Location locate(std::size_t offset) const;
};

}  // namespace millrace
