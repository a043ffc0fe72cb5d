// A slice of a source, read in parts, so that memory stays bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/source.h"

namespace millrace {

/// A slice's rows in parts, for a plan that takes them so, or as one.
class PartReaders {
 public:
  PartReaders(std::unique_ptr<RowReader> slice, bool in_parts);

  /// The readers of the next part.
  std::span<const std::unique_ptr<RowReader>> next();
  /// Whether the part that had so many rows was the last.
  [[nodiscard]] bool at_end(std::int64_t rows) const;

 private:
  std::unique_ptr<RowReader> slice_;
  bool in_parts_;
  std::vector<std::unique_ptr<RowReader>> split_;
  std::size_t next_ = 0;
  std::unique_ptr<RowReader> limited_;
};

}  // namespace millrace
