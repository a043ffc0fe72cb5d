// Records that are one text each: `format: string`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/format.h"
#include "core/schema.h"
#include "formats/csv/values.h"

namespace millrace::csv {

/// A record is the value of a VARCHAR column; one that is no UTF-8 is malformed. Used by one
/// thread.
class TextDecoder final : public RecordDecoder {
 public:
  /// Throws Error (user) if the schema is not one VARCHAR column.
  explicit TextDecoder(const Schema& schema);

  void begin(std::span<ColumnWriter* const> columns) override { column_ = columns[0]; }
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  std::string name_;
  ColumnWriter* column_ = nullptr;
};

/// A record is the value of the one column as text, as JSON has it but without quotes and escapes:
/// a BLOB is base64. NULL has no text. Used by one thread.
class TextEncoder final : public RecordEncoder {
 public:
  /// Throws Error (user) if there is not one column, or it is of a type that has no text.
  explicit TextEncoder(const Schema& schema);

  [[nodiscard]] std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                   std::string& to) override;

 private:
  std::string name_;
  Type type_;
};

}  // namespace millrace::csv
