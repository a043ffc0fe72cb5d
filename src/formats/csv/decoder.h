// CSV records as rows: a message is one, without a header.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "formats/csv/fields.h"
#include "formats/csv/values.h"

namespace millrace::csv {

/// The fields are the columns, in their order. Used by one thread.
///
/// A field without quotes that reads like `null_text` is NULL; so is one that is empty, or spaces,
/// for all types but VARCHAR and BLOB. Spaces around other values do not count.
///
/// Malformed are: bytes that are no UTF-8, another number of fields, quotes that are not closed or
/// that more text follows, more than one line, and values that do not fit.
class Decoder final : public RecordDecoder {
 public:
  /// Throws Error (user) if a column is of a nested type, ENUM or UNION, and for options that can't
  /// be used.
  Decoder(const Schema& schema, Options options);

  void begin(std::span<ColumnWriter* const> columns) override;
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  json::Fault put(const json::PlanNode& column, std::size_t row, const Field& field);

  Options options_;
  TimeFormats formats_;
  std::vector<json::PlanNode> columns_;
  std::vector<Field> fields_;
  std::string_view value_;  // of the field at hand, for messages
  std::string unescaped_;
  std::string scratch_;
};

}  // namespace millrace::csv
