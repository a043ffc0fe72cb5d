// What of Avro's records is no column, kept as JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.h"
#include "formats/avro/decoder.h"
#include "formats/avro/left_out.h"
#include "formats/avro/plans.h"
#include "formats/json/encoder.h"
#include "formats/memory_columns.h"

namespace millrace::formats {

/// What `resolve` leaves out of records and of the records in them (avro::RestField) as rows of
/// their own. Throws Error (user) for a field that JSON has no form for.
[[nodiscard]] avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve);

/// What is left out of a record, as JSON. Used by one thread.
class RestObject {
 public:
  /// Throws Error (user) for a field that JSON has no form for.
  explicit RestObject(std::span<const avro::RestField> fields);

  /// Appends the object of row 0; nothing if there is nothing in it: its records are NULL.
  [[nodiscard]] std::optional<Malformation> write(std::span<const ColumnView> columns,
                                                  std::string& to);

 private:
  std::size_t left_out_;   // columns of fields, which come before those of records
  json::Encoder encoder_;  // of the fields
  std::vector<std::pair<std::string, RestObject>> records_;  // by their columns' names
};

/// Fills one column with what is left out of records of one schema: one object; NULL if there is
/// nothing. What is new in a record that is a column, a STRUCT, is in an object under that column's
/// name. Used by one thread.
class Rescue {
 public:
  /// `known`: of the columns that records fill; `rest`: by rest_of() the same.
  Rescue(const avro::Plan& known, const avro::Plan& rest)
      : Rescue(avro::rest_fields(known), rest) {}

  /// Malformed are records with a value that JSON has no form for, such as NaN.
  [[nodiscard]] std::optional<Malformation> fill(std::string_view record, ColumnWriter& to,
                                                 std::size_t row);

 private:
  Rescue(std::span<const avro::RestField> fields, const avro::Plan& rest);

  bool is_empty_;
  avro::Decoder decoder_;
  MemoryColumns columns_;  // a row of what is left out
  RestObject object_;
  std::string text_;
};

/// All but one of these columns.
[[nodiscard]] std::vector<ColumnWriter*> without_column(std::span<ColumnWriter* const> columns,
                                                        std::size_t column);

}  // namespace millrace::formats
