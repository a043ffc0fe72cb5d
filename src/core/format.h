// The contract of a format: the bytes of a record, a message or a line, and the row that they are.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/chunk.h"
#include "core/schema.h"

namespace millrace {

/// Why a record is no row.
struct Malformation {
  std::string column;  ///< the column at fault, if one is
  std::string reason;
  /// What came is not what the columns are for, and that is to end the pipeline, whatever is done
  /// with malformed records.
  bool is_schema_change = false;
};

/// Turns records into rows. Used by one thread.
class RecordDecoder {
 public:
  virtual ~RecordDecoder() = default;
  /// Before the first record of a chunk: where the columns of the format's schema are, in its
  /// order; nullptr: nobody reads it, and it need not be decoded.
  virtual void begin(std::span<ColumnWriter* const> columns) = 0;
  /// Fills row `row` of all columns; nullopt: it is done. Else the row may be filled half way: the
  /// caller makes it forgotten (ColumnWriter::forget). Never throws for what is in the record.
  [[nodiscard]] virtual std::optional<Malformation> decode(std::string_view record,
                                                           std::size_t row) = 0;
};

/// Turns rows into records. Used by one thread.
class RecordEncoder {
 public:
  virtual ~RecordEncoder() = default;
  /// Appends the record of a row to `to`. Malformation: the row has a value that the format has no
  /// bytes for; `to` is as it was.
  [[nodiscard]] virtual std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                           std::string& to) = 0;
};

}  // namespace millrace
