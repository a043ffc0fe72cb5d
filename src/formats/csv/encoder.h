// Rows as CSV records, without line ends and headers. What csv::Decoder reads back as the same.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "formats/csv/options.h"
#include "formats/csv/values.h"

namespace millrace::csv {

/// Used by one thread. A row is malformed if it has a date or time that is infinite, or of a year
/// that is not one of 0000 to 9999.
class Encoder final : public RecordEncoder {
 public:
  /// Throws Error (user) if a column is of a nested type, ENUM or UNION, and for options that can't
  /// be used.
  Encoder(const Schema& schema, Options options);

  [[nodiscard]] std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                   std::string& to) override;

 private:
  Options options_;
  TimeFormats formats_;
  std::vector<std::string> names_;
  std::vector<Type> types_;
};

}  // namespace millrace::csv
