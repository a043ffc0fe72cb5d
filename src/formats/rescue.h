// What of Avro's records is no column, kept as JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "formats/avro/decoder.h"
#include "formats/avro/plans.h"
#include "formats/json/encoder.h"
#include "formats/memory_columns.h"

namespace millrace::formats {

/// What `resolve` leaves out of records: their other fields (not those within them) as columns.
/// Throws Error (user) for a field that JSON has no form for.
[[nodiscard]] avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve);

/// Fills one column with what is left out of records of one schema, as json::Encoder writes it: one
/// object; NULL if there is nothing. Used by one thread.
class Rescue {
 public:
  /// `rest`: as rest_of() resolves the schema.
  explicit Rescue(const avro::Plan& rest);

  /// Malformed are records with a value that JSON has no form for, such as NaN.
  [[nodiscard]] std::optional<Malformation> fill(std::string_view record, ColumnWriter& to,
                                                 std::size_t row);

 private:
  avro::Decoder decoder_;
  MemoryColumns columns_;  // a row of what is left out
  json::Encoder encoder_;
  std::string text_;
};

/// All but one of these columns.
[[nodiscard]] std::vector<ColumnWriter*> without_column(std::span<ColumnWriter* const> columns,
                                                        std::size_t column);

}  // namespace millrace::formats
