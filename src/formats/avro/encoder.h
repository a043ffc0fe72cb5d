// Rows as records of Avro's binary encoding.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/format.h"
#include "core/schema.h"
#include "formats/avro/encoder_steps.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

/// Encodes rows. Used by one thread.
///
/// Malformed are rows that the schema has no bytes for: NULL in a field that is no union with null,
/// a text that is no symbol of its enum, times that are infinite or finer than their unit, numbers
/// of too many digits, bytes of another size than their fixed, intervals that are negative or finer
/// than a millisecond, and STRUCTs for a union of which not just one field has a value.
class Encoder final : public RecordEncoder {
 public:
  /// Fields, also those of STRUCTs, are found by name, without regard to case if there is no exact
  /// match; those without a column become null or their default. A union of several types takes
  /// what columns.h reads it as, a STRUCT with a field for each, or a value of its first type that
  /// fits. Throws Error (user) with the path of columns that have no field, fields that would have
  /// no value and types that do not fit.
  Encoder(const AvroSchema& schema, const millrace::Schema& columns);

  [[nodiscard]] std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                   std::string& to) override;

 private:
  // Each appends a value; false: it has no bytes, see `reason_` and `path_`.

  bool write_fields(const WriteStep& step, std::span<const ColumnView> columns, std::size_t row,
                    std::string& to);
  bool write_nullable(const WriteStep& step, const ColumnView& column, std::size_t row,
                      std::string& to);
  bool write(const WriteStep& step, const ColumnView& column, std::size_t row, std::string& to);
  bool write_nested(const WriteStep& step, const ColumnView& column, std::size_t row,
                    std::string& to);
  bool write_elements(const WriteStep& step, const ColumnView& column, std::size_t row,
                      std::string& to);
  bool write_branch(const WriteStep& step, std::span<const ColumnView> fields, std::size_t row,
                    std::string& to);
  bool write_bytes(const WriteStep& step, std::string_view bytes, std::string& to);
  bool write_decimal(const WriteStep& step, const ColumnView& column, std::size_t row,
                     std::string& to);
  bool write_time(const WriteStep& step, std::int64_t value, std::string& to);
  bool write_interval(const Interval& interval, std::string& to);

  bool fail(std::string_view reason);
  bool blame(std::string_view place);

  WriteStep row_;
  std::string reason_;
  std::string path_;  // of the value at fault; made on the way out
};

}  // namespace millrace::avro
