// How rows are written by a schema: worked out once, before the first row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/schema.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

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
  record,    ///< of a STRUCT; `parts`: the record's fields
  array,     ///< of a LIST; `parts`: its elements
  map,       ///< of a MAP with VARCHAR keys; `parts`: its values
  branches,  ///< of a STRUCT whose only field that is not NULL is the value; `parts`: its fields
};

/// How a column, or a part of one, is written.
struct WriteStep {
  Write write = Write::constant;
  std::size_t column = 0;          ///< its place among the columns, or the fields of the STRUCT
  std::size_t columns = 0;         ///< of a nested one: how many parts its view has
  std::int64_t null_branch = -1;   ///< -1: may not be NULL
  std::int64_t value_branch = -1;  ///< -1: no union
  std::size_t size = 0;            ///< of a fixed; 0: of any size
  int digits = 0;
  int shift = 0;
  std::int64_t factor = 1;
  std::string name;  ///< of the column or field, for messages
  std::string constant;
  std::vector<std::string> symbols;
  std::vector<WriteStep> parts;
};

/// A row as a record of the schema. Throws Error (user) as Encoder says.
[[nodiscard]] WriteStep record_step(const AvroSchema& schema, const millrace::Schema& columns);

}  // namespace millrace::avro
