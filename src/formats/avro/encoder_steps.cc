// How the encoder writes each field: worked out once.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/columns.h"
#include "formats/avro/default_value.h"
#include "formats/avro/encoder.h"
#include "formats/avro/wire.h"

namespace millrace::avro {

namespace {

using Id = Type::Id;

[[noreturn]] void refuse(const std::string& name, const std::string& text) {
  throw Error(Blame::user, fmt::format("avro: column {}: {}", name, text));
}

int find_column(const millrace::Schema& columns, const std::string& name) {
  for (std::size_t i = 0; i < columns.size(); i++) {
    if (columns.columns[i].name == name) {
      return static_cast<int>(i);
    }
  }
  return columns.find(name);
}

/// The nanoseconds of an SQL time's unit; 0: no time.
std::int64_t nanos_of(Id id) {
  switch (id) {
    case Id::timestamp_s:
      return 1'000'000'000;
    case Id::timestamp_ms:
      return 1'000'000;
    case Id::timestamp:
    case Id::timestamp_tz:
    case Id::time:
      return 1000;
    case Id::timestamp_ns:
      return 1;
    default:
      return 0;
  }
}

std::int64_t nanos_of(Logical logical) {
  switch (logical) {
    case Logical::time_millis:
    case Logical::timestamp_millis:
    case Logical::local_timestamp_millis:
      return 1'000'000;
    case Logical::time_micros:
    case Logical::timestamp_micros:
    case Logical::local_timestamp_micros:
      return 1000;
    case Logical::timestamp_nanos:
    case Logical::local_timestamp_nanos:
      return 1;
    default:
      return 0;
  }
}

bool is_time_of_day(Logical logical) {
  return logical == Logical::time_millis || logical == Logical::time_micros;
}

/// Whole numbers of at most 32 bits with their sign, and of at most 64.
bool fits_int(Id id) {
  return id == Id::i8 || id == Id::i16 || id == Id::i32 || id == Id::u8 || id == Id::u16;
}
bool fits_long(Id id) { return fits_int(id) || id == Id::u32 || id == Id::i64; }

}  // namespace

Encoder::Encoder(const AvroSchema& schema, const millrace::Schema& columns) {
  if (schema.root().kind != Kind::record) {
    throw Error(Blame::user, fmt::format("avro: rows are written as records, and the schema is {}",
                                         describe(schema.root())));
  }
  std::vector<bool> written(columns.size(), false);
  for (const Field& field : schema.root().fields) {
    const int column = find_column(columns, field.name);
    if (column < 0) {
      steps_.push_back(constant_for(field));
      continue;
    }
    const auto at = static_cast<std::size_t>(column);
    steps_.push_back(step_for(field, columns.columns[at]));
    steps_.back().column = at;
    written[at] = true;
  }
  for (std::size_t i = 0; i < columns.size(); i++) {
    names_.push_back(columns.columns[i].name);
    if (!written[i]) {
      refuse(names_[i], "the schema has no such field; leave the column out, or add the field");
    }
  }
}

Encoder::Step Encoder::constant_for(const Field& field) {
  Step step;
  if (field.default_value) {
    auto bytes = encode_default(*field.type, *field.default_value);
    if (!bytes) {
      refuse(field.name, "the default of the schema's field is no value of its type");
    }
    step.constant = std::move(*bytes);
    return step;
  }
  auto null = encode_default(*field.type, nullptr);
  if (!null) {
    refuse(field.name,
           "the schema has this field, which is neither a column nor may be null; "
           "select it, or give the field a default");
  }
  step.constant = std::move(*null);
  return step;
}

Encoder::Step Encoder::step_for(const Field& field, const Column& column) {
  Step step{.physical = column.physical};
  const Type type = parse_type(column.type);
  if (!type.parts.empty()) {
    refuse(column.name, "nested columns can't be written as Avro yet; select their parts");
  }
  if (field.type->kind != Kind::union_) {
    if (!fit(step, *field.type, column)) {
      refuse(column.name,
             fmt::format("{} can't be written as {}", column.type, describe(*field.type)));
    }
    return step;
  }
  for (std::size_t i = 0; i < field.type->parts.size(); i++) {
    const Node& branch = *field.type->parts[i];
    if (branch.kind == Kind::null) {
      step.null_branch = static_cast<std::int64_t>(i);
    } else if (step.value_branch < 0 && fit(step, branch, column)) {
      step.value_branch = static_cast<std::int64_t>(i);
    }
  }
  if (step.value_branch < 0) {
    refuse(column.name,
           fmt::format("{} can't be written as {}", column.type, describe(*field.type)));
  }
  return step;
}

bool Encoder::fit(Step& step, const Node& node, const Column& column) {
  const Id id = parse_type(column.type).id;
  switch (node.kind) {
    case Kind::boolean:
      step.write = Write::boolean;
      return id == Id::boolean;
    case Kind::int_:
    case Kind::long_:
      if (node.logical == Logical::date) {
        step.write = Write::date;
        return id == Id::date;
      }
      if (node.logical != Logical::none) {
        return fit_time(step, node, column);
      }
      step.write = Write::whole;
      return node.kind == Kind::int_ ? fits_int(id) : fits_long(id);
    case Kind::float_:
      step.write = Write::f32;
      return id == Id::f32;
    case Kind::double_:
      step.write = id == Id::f32 ? Write::f32_to_f64 : Write::f64;
      return id == Id::f32 || id == Id::f64;
    case Kind::bytes:
    case Kind::string:
    case Kind::fixed:
    case Kind::enumeration:
      return fit_bytes(step, node, column);
    default:
      return false;
  }
}

bool Encoder::fit_bytes(Step& step, const Node& node, const Column& column) {
  const Id id = parse_type(column.type).id;
  step.size = node.size;
  switch (node.logical) {
    case Logical::decimal:
      return fit_decimal(step, node, column);
    case Logical::duration:
      step.write = Write::interval;
      return id == Id::interval;
    case Logical::uuid:
      step.write = node.kind == Kind::fixed ? Write::uuid_bytes
                   : id == Id::uuid         ? Write::uuid_text
                                            : Write::checked_uuid;
      return id == Id::uuid || (id == Id::varchar && node.kind == Kind::string);
    default:
      break;
  }
  if (node.kind == Kind::enumeration) {
    step.write = Write::symbol;
    step.symbols = node.symbols;
    return id == Id::varchar;
  }
  if (node.kind == Kind::string && id == Id::uuid) {
    step.write = Write::uuid_text;
    return true;
  }
  step.write = node.kind == Kind::fixed ? Write::fixed : Write::text;
  return node.kind == Kind::string ? id == Id::varchar
                                   : id == Id::blob || (id == Id::varchar && node.size == 0);
}

bool Encoder::fit_time(Step& step, const Node& node, const Column& column) {
  const Id id = parse_type(column.type).id;
  const std::int64_t from = nanos_of(id);
  const std::int64_t to = nanos_of(node.logical);
  if (from == 0 || to == 0 || is_time_of_day(node.logical) != (id == Id::time)) {
    return false;
  }
  step.write = Write::time;
  step.factor = from >= to ? from / to : -(to / from);
  return true;
}

bool Encoder::fit_decimal(Step& step, const Node& node, const Column& column) {
  const Type type = parse_type(column.type);
  const bool is_whole = fits_long(type.id) || type.id == Id::u64 || type.id == Id::i128;
  if ((type.id != Id::decimal && !is_whole) || node.precision > 38 || node.scale < type.scale) {
    return false;
  }
  step.write = Write::decimal;
  step.digits = node.precision;
  step.shift = node.scale - type.scale;
  return true;
}

}  // namespace millrace::avro
