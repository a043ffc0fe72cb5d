// Rows as JSON objects (RFC 8259), one a row, without a line end. What json::Decoder reads back as
// the same values:
//   numbers, HUGEINT, DECIMAL   as numbers, with all their digits (FLOAT, DOUBLE: the fewest that
//                               mean the same)
//   DATE, TIME, TIMESTAMP...    "2024-02-29", "23:59:59.123", "2024-02-29T23:59:59.123"; with Z for
//                               TIMESTAMP WITH TIME ZONE
//   BLOB                        base64
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::json {

struct EncoderOptions {
  bool omit_nulls = false;  ///< a NULL's key is left out; else it is null
};

/// Used by one thread. A row is malformed if it has a value that JSON has no form for: NaN, an
/// infinite number, date or time, a year that is not one of 0000 to 9999.
class Encoder final : public RecordEncoder {
 public:
  /// Throws Error (user) if a column's type can't be written: INTERVAL, and for now nested ones.
  Encoder(const Schema& schema, const EncoderOptions& options);

  [[nodiscard]] std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                   std::string& to) override;

 private:
  struct Field {
    std::string name;
    std::string key;  // "\"name\":"
    Type type;
  };

  EncoderOptions options_;
  std::vector<Field> fields_;
};

}  // namespace millrace::json
