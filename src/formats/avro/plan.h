// What is done with each value of a record: the result of resolving a writer's schema with what is
// wanted of it. Made by resolve.h, compiled by program.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/type.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

/// How a value is read and stored. One switch in decoder.cc carries them out.
enum class Op : std::uint8_t {
  // Values. `is_int`: the writer's type is int, not long.
  boolean,
  int_to_i32,
  date,               ///< int
  to_i64,             ///< int or long
  to_i128,            ///< int or long
  to_f32,             ///< int or long, as the specification's promotion: nearest value
  to_f64,             ///< the same
  time,               ///< int or long times `argument`
  timestamp,          ///< long times `argument`, or divided by -`argument`: microseconds
  timestamp_ms,       ///< long: milliseconds
  timestamp_ns,       ///< long times `argument`: nanoseconds
  number_to_decimal,  ///< int or long; `digits` in all, `shift` behind the point
  f32,
  f64,
  f32_to_f64,
  text,  ///< checked to be UTF-8
  bytes,
  fixed_bytes,  ///< `argument` of them
  uuid_text,
  uuid_bytes,
  decimal_bytes,  ///< times 10^`shift`, to be of at most `digits`
  decimal_fixed,  ///< the same out of `argument` bytes
  duration,
  // Jumps over bytes.
  skip_bytes,  ///< `argument` of them
  skip_varint,
  skip_sized,   ///< a length and as many bytes
  skip_blocks,  ///< an array or map; the next `length` instructions jump over an element
  skip_call,    ///< the instructions from `argument` on, `length` of them: a record
  // The rest.
  set_null,
  symbol,       ///< an enum: one of `length` texts from `argument` on
  fail,         ///< text `argument` says why
  nullable,     ///< a union: branch `argument` is null and jumps `length`, the other one goes on
  choose,       ///< a union of `length` branches: goes on at target `argument` + branch
  jump,         ///< over `length` instructions
  only_branch,  ///< all fields of a STRUCT but number `argument` are NULL
  list,         ///< the next `length` instructions are for each element
  map,          ///< the same for each value
  constant,     ///< the next `length` instructions read constant `argument`
};

/// A value's operation and its numbers.
struct Leaf {
  Op op = Op::set_null;
  bool is_int = false;
  std::uint8_t digits = 0;
  std::uint8_t shift = 0;
  std::int64_t argument = 0;
};

/// Slots are numbered through a row's columns and their parts, depth first; 0 is the row itself.
using Slot = std::uint32_t;

struct Action {
  enum class Kind : std::uint8_t {
    value,
    skip,
    set_null,
    record,       ///< the parts one after the other
    list,         ///< the part is for an element
    map,          ///< the part is for a value
    choose,       ///< a part for each of the writer's branches
    symbol,       ///< `symbols`: what the writer's become
    only_branch,  ///< field `branch` of the STRUCT, by the part
    constant,     ///< `text`: the bytes of a default, read by the part
    fail,         ///< `text`: why; for data that would need what does not match
  };
  Kind kind = Kind::skip;
  Slot slot = 0;
  std::string place;             ///< the column, for messages
  const Node* writer = nullptr;  ///< what the bytes are; nullptr: there are none
  Leaf leaf;
  std::uint32_t branch = 0;
  std::string text;
  std::vector<std::optional<std::string>> symbols;  ///< nullopt: unknown to the reader
  std::vector<Action> parts;
};

struct Plan {
  Type row;  ///< STRUCT of the columns
  Action root;
  /// Shared by all that read data of the same schema; actions point into them.
  std::shared_ptr<const AvroSchema> writer;
  std::shared_ptr<const AvroSchema> reader;  ///< its defaults; nullptr: none
  std::string field;  ///< of the writer's record, that is the row; empty: the record is
};

}  // namespace millrace::avro
