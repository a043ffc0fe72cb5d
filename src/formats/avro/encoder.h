// Rows as records of Avro's binary encoding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

/// Encodes flat columns. Used by one thread.
///
/// Malformed are rows that the schema has no bytes for: NULL in a field that is no union with null,
/// a text that is no symbol of its enum, times that are infinite or finer than their unit, numbers
/// of too many digits, bytes of another size than their fixed, and intervals that are negative or
/// finer than a millisecond.
class Encoder final : public RecordEncoder {
 public:
  /// Fields are found by name, without regard to case if there is no exact match; those without a
  /// column become null or their default. Throws Error (user) for columns that have no field,
  /// fields that would have no value, types that do not fit, and nested columns.
  Encoder(const AvroSchema& schema, const millrace::Schema& columns);

  [[nodiscard]] std::optional<Malformation> encode(const Chunk& rows, std::size_t row,
                                                   std::string& to) override;

 private:
  enum class Write : std::uint8_t {
    boolean,
    whole,  ///< any whole number of up to 64 bits, as a varint
    date,
    f32,
    f64,
    f32_to_f64,
    text,
    fixed,
    symbol,
    decimal,
    time,  ///< times `factor`, or divided by -`factor` without a rest
    uuid_text,
    uuid_bytes,
    checked_uuid,  ///< a text that has to be one
    interval,
    constant,
  };
  /// How a field is written. Nested fields would be steps with parts.
  struct Step {
    Write write = Write::constant;
    Physical physical = Physical::other;
    std::size_t column = 0;
    std::int64_t null_branch = -1;   ///< -1: may not be NULL
    std::int64_t value_branch = -1;  ///< -1: no union
    std::size_t size = 0;            ///< of a fixed; 0: of any size
    int digits = 0;
    int shift = 0;
    std::int64_t factor = 1;
    std::string constant;
    std::vector<std::string> symbols;
  };

  static Step step_for(const Field& field, const Column& column);
  static Step constant_for(const Field& field);
  static bool fit(Step& step, const Node& node, const Column& column);
  static bool fit_bytes(Step& step, const Node& node, const Column& column);
  static bool fit_time(Step& step, const Node& node, const Column& column);
  static bool fit_decimal(Step& step, const Node& node, const Column& column);

  // Each gives why a value has no bytes; "": it is written.
  static std::string write(const Step& step, const ColumnView& column, std::size_t row,
                           std::string& to);
  static std::string write_bytes(const Step& step, std::string_view bytes, std::string& to);
  static std::string write_decimal(const Step& step, const ColumnView& column, std::size_t row,
                                   std::string& to);
  static std::string_view write_time(const Step& step, std::int64_t value, std::string& to);
  static std::string_view write_interval(const Interval& interval, std::string& to);

  std::vector<Step> steps_;
  std::vector<std::string> names_;  // of the columns
};

}  // namespace millrace::avro
