#include "formats/avro/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/values.h"

namespace millrace::avro {

namespace {

std::int64_t whole_of(const ColumnView& column, std::size_t row) {
  switch (column.physical) {
    case Physical::i8:
      return column.values<std::int8_t>()[row];
    case Physical::i16:
      return column.values<std::int16_t>()[row];
    case Physical::i32:
      return column.values<std::int32_t>()[row];
    case Physical::u8:
      return column.values<std::uint8_t>()[row];
    case Physical::u16:
      return column.values<std::uint16_t>()[row];
    case Physical::u32:
      return column.values<std::uint32_t>()[row];
    default:
      return column.values<std::int64_t>()[row];
  }
}

Wide wide_of(const ColumnView& column, std::size_t row) {
  if (column.physical == Physical::i128) {
    return load_wide(column.data, row);
  }
  return column.physical == Physical::u64 ? static_cast<Wide>(column.values<std::uint64_t>()[row])
                                          : whole_of(column, row);
}

/// The number of a union's branch. Nearly all are below 64, which is a byte.
void write_choice(std::int64_t branch, std::string& to) {
  if (branch < 64) {
    to += static_cast<char>(branch << 1U);
  } else {
    write_long(branch, to);
  }
}

/// Two's complement, the highest byte first: as few bytes as it takes, or `size` of them.
std::string big_endian_bytes(Wide value, std::size_t size) {
  std::string bytes;
  for (bool done = false; !done;) {
    bytes += static_cast<char>(value & 0xFF);
    const bool negative_byte = (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0;
    done = (value >> 8U) == (value < 0 ? -1 : 0) && negative_byte == (value < 0);
    value >>= 8U;
  }
  bytes.resize(std::max(size, bytes.size()), value < 0 ? '\xFF' : '\0');
  std::ranges::reverse(bytes);
  return bytes;
}

}  // namespace

Encoder::Encoder(const AvroSchema& schema, const millrace::Schema& columns)
    : row_(record_step(schema, columns)) {}

std::optional<Malformation> Encoder::encode(const Chunk& rows, std::size_t row, std::string& to) {
  const std::size_t before = to.size();
  if (write_fields(row_, rows.columns, row, to)) {
    return std::nullopt;
  }
  to.resize(before);
  return Malformation{.column = std::exchange(path_, {}).substr(1), .reason = std::move(reason_)};
}

inline bool Encoder::write_nullable(const WriteStep& step, const ColumnView& column,
                                    std::size_t row, std::string& to) {
  if (column.is_null(row)) {
    if (step.null_branch < 0) {
      return fail("NULL in a field that may not be null");
    }
    write_choice(step.null_branch, to);
    return true;
  }
  if (step.value_branch >= 0) {
    write_choice(step.value_branch, to);
  }
  return write(step, column, row, to);
}

bool Encoder::write_fields(const WriteStep& step, std::span<const ColumnView> columns,
                           std::size_t row, std::string& to) {
  for (const WriteStep& field : step.parts) {
    if (field.write == Write::constant) {
      to += field.constant;
    } else if (!write_nullable(field, columns[field.column], row, to)) {
      return blame("." + field.name);
    }
  }
  return true;
}

bool Encoder::write(const WriteStep& step, const ColumnView& column, std::size_t row,
                    std::string& to) {
  switch (step.write) {
    case Write::boolean:
      to += static_cast<char>(column.values<bool>()[row]);
      return true;
    case Write::whole:
      write_long(whole_of(column, row), to);
      return true;
    case Write::date:
      if (std::abs(whole_of(column, row)) > kDateMax) {
        return fail("a date that is infinite");
      }
      write_long(whole_of(column, row), to);
      return true;
    case Write::f32:
      write_raw(column.values<float>()[row], to);
      return true;
    case Write::f64:
      write_raw(column.values<double>()[row], to);
      return true;
    case Write::f32_to_f64:
      write_raw(static_cast<double>(column.values<float>()[row]), to);
      return true;
    case Write::text:
      write_sized(column.string(row), to);
      return true;
    case Write::fixed:
    case Write::symbol:
    case Write::checked_uuid:
      return write_bytes(step, column.string(row), to);
    case Write::decimal:
      return write_decimal(step, column, row, to);
    case Write::time:
      return write_time(step, whole_of(column, row), to);
    case Write::uuid_text:
      write_sized(uuid_text(load_wide(column.data, row)), to);
      return true;
    case Write::uuid_bytes:
      to += big_endian_bytes(load_wide(column.data, row) ^ (Wide{1} << 127U), sizeof(Wide));
      return true;
    case Write::interval:
      return write_interval(column.values<Interval>()[row], to);
    default:
      return write_nested(step, column, row, to);
  }
}

bool Encoder::write_nested(const WriteStep& step, const ColumnView& column, std::size_t row,
                           std::string& to) {
  // SQL has STRUCTs whose fields have no names, and the text of their types can't be told from
  // others.
  if (column.part_count != step.columns) {
    throw Error(
        Blame::user,
        fmt::format("avro: column {}: a STRUCT without names can't be written; make it with "
                    "struct_pack(), or cast it to VARCHAR",
                    step.name));
  }
  switch (step.write) {
    case Write::record:
      return write_fields(step, column.parts(), row, to);
    case Write::branches:
      return write_branch(step, column.parts(), row, to);
    default:
      return write_elements(step, column, row, to);
  }
}

/// Of an array or a map: as one block, if there are any.
bool Encoder::write_elements(const WriteStep& step, const ColumnView& column, std::size_t row,
                             std::string& to) {
  const auto parts = column.parts();
  const bool is_map = step.write == Write::map;
  const auto [offset, length] = column.values<ListEntry>()[row];
  if (length > 0) {
    write_long(static_cast<std::int64_t>(length), to);
  }
  for (std::size_t i = 0; i < length; i++) {
    if (is_map) {
      if (parts[0].is_null(offset + i)) {
        return fail("a key that is NULL");
      }
      write_sized(parts[0].string(offset + i), to);
    }
    if (!write_nullable(step.parts[0], parts.back(), offset + i, to)) {
      return blame(is_map ? fmt::format("{{{}}}", i) : fmt::format("[{}]", i));
    }
  }
  write_long(0, to);
  return true;
}

bool Encoder::write_branch(const WriteStep& step, std::span<const ColumnView> fields,
                           std::size_t row, std::string& to) {
  const WriteStep* only = nullptr;
  for (const WriteStep& part : step.parts) {
    if (!fields[part.column].is_null(row)) {
      if (only != nullptr) {
        return fail("a union's value is one of its branches, and several are not NULL");
      }
      only = &part;
    }
  }
  if (only == nullptr) {
    return fail("a union's value is one of its branches, and all are NULL");
  }
  return write_nullable(*only, fields[only->column], row, to) || blame("." + only->name);
}

bool Encoder::write_bytes(const WriteStep& step, std::string_view bytes, std::string& to) {
  if (step.write == Write::fixed) {
    if (bytes.size() != step.size) {
      return fail(fmt::format("{} where a fixed has {}",
                              human_count(static_cast<std::int64_t>(bytes.size()), "byte"),
                              step.size));
    }
    to += bytes;
    return true;
  }
  if (step.write == Write::checked_uuid) {
    if (!parse_uuid(bytes)) {
      return fail("text that is no UUID");
    }
    write_sized(bytes, to);
    return true;
  }
  const auto found = std::ranges::find(step.symbols, bytes);
  if (found == step.symbols.end()) {
    return fail(fmt::format("`{}` is none of the enum's symbols", excerpt(bytes, 80)));
  }
  write_long(found - step.symbols.begin(), to);
  return true;
}

bool Encoder::write_decimal(const WriteStep& step, const ColumnView& column, std::size_t row,
                            std::string& to) {
  Wide value = wide_of(column, row);
  const Wide bound = power_of_ten(step.digits - step.shift);
  if (value >= bound || value <= -bound) {
    return fail(fmt::format("a number of more than {} digits", step.digits));
  }
  value *= power_of_ten(step.shift);
  const std::string bytes = big_endian_bytes(value, step.size);
  if (step.size > 0) {
    to += bytes;
  } else {
    write_sized(bytes, to);
  }
  return true;
}

bool Encoder::write_time(const WriteStep& step, std::int64_t value, std::string& to) {
  if (value < -kMicrosMax || value > kMicrosMax) {
    return fail("a time that is infinite");
  }
  if (step.factor < 0) {
    if (value % -step.factor != 0) {
      return fail("a time that is finer than the schema's unit");
    }
    value /= -step.factor;
  } else if (__builtin_mul_overflow(value, step.factor, &value)) {
    return fail("a time that is out of range");
  }
  write_long(value, to);
  return true;
}

bool Encoder::write_interval(const Interval& interval, std::string& to) {
  const std::int64_t millis = interval.micros / 1000;
  if (interval.months < 0 || interval.days < 0 || interval.micros < 0 ||
      interval.micros % 1000 != 0 ||
      std::cmp_greater(millis, std::numeric_limits<std::uint32_t>::max())) {
    return fail(
        "an interval that is negative, finer than a millisecond, or of more than 2^32 of them");
  }
  for (const std::int64_t part :
       std::array<std::int64_t, 3>{interval.months, interval.days, millis}) {
    write_raw(static_cast<std::uint32_t>(part), to);
  }
  return true;
}

bool Encoder::fail(std::string_view reason) {
  reason_ = reason;
  return false;
}

bool Encoder::blame(std::string_view place) {
  path_.insert(0, place);
  return false;
}

}  // namespace millrace::avro
