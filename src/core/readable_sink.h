// Sinks whose rows SQL can read back, for who serves them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/source.h"

namespace millrace {

/// Files that SQL reads: FROM function([paths], arguments). Values that all rows of a file share
/// stand in its path ("date=2024-02-29/").
struct ReadableFiles {
  std::vector<FileScan::File> files;  ///< their paths are for SQL
  std::string function;               ///< "read_parquet"
  std::string arguments;              ///< beside those of the folders' values; may be empty
};

/// What such a Sink is, too. Also of a sink that was not opened.
class ReadableSink {
 public:
  virtual ~ReadableSink() = default;
  /// Whether Sink::query(), or files(), reads what was written, once something was.
  [[nodiscard]] virtual bool is_readable() const { return true; }
  /// The files that hold what was written, without those of batches behind `last_batch` where their
  /// names tell (-1: all), for who reads some of them; nullopt: query() is all there is.
  [[nodiscard]] virtual std::optional<ReadableFiles> files(std::int64_t last_batch) const {
    (void)last_batch;
    return std::nullopt;
  }
};

}  // namespace millrace
