#include "formats/json/encoder.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "core/times.h"
#include "core/uuid.h"
#include "formats/intervals.h"
#include "formats/json/numbers.h"
#include "formats/json/plan.h"
#include "formats/json/strings.h"
#include "formats/numbers_text.h"

namespace millrace::json {
namespace {

using Id = Type::Id;

constexpr std::int64_t kInfiniteMoment = std::numeric_limits<std::int64_t>::max();

template <class Float>
bool write_float(const ColumnView& column, std::size_t row, std::string& to) {
  const Float value = column.values<Float>()[row];
  if (!std::isfinite(value)) {
    return false;
  }
  formats::write_number(value, to);
  return true;
}

void write_uuid(Int128 value, std::string& to) {
  to += '"';
  to += uuid_text(value);
  to += '"';
}

bool write_timestamp(const ColumnView& column, std::size_t row, int digits, bool is_utc,
                     std::string& to) {
  const std::int64_t value = column.values<std::int64_t>()[row];
  to += '"';
  if (value > kMicrosMax || value < -kMicrosMax || !write_moment(value, digits, to)) {
    return false;
  }
  to += is_utc ? "Z\"" : "\"";
  return true;
}

void write_blob(std::string_view bytes, std::string& to) {
  to += '"';
  encode_base64(bytes, to);
  to += '"';
}

bool write_day(std::int32_t days, std::string& to) {
  to += '"';
  if (!write_date(days, to)) {
    return false;
  }
  to += '"';
  return true;
}

void write_time_of_day(std::int64_t micros, std::string& to) {
  to += '"';
  write_time(micros, 6, to);
  to += '"';
}

/// Appends a value that is not nested. `is_utc`: also a TIMESTAMP.
bool write_scalar(const Type& type, const ColumnView& column, std::size_t row, bool is_utc,
                  std::string& to) {
  switch (type.id) {
    case Id::boolean:
      to += column.values<bool>()[row] ? "true" : "false";
      return true;
    case Id::i8:
    case Id::i16:
    case Id::i32:
    case Id::i64:
    case Id::i128:
    case Id::u8:
    case Id::u16:
    case Id::u32:
    case Id::u64:
      return formats::write_whole(type.id, column, row, to);
    case Id::decimal:
      formats::write_decimal(type, column, row, to);
      return true;
    case Id::f32:
      return write_float<float>(column, row, to);
    case Id::f64:
      return write_float<double>(column, row, to);
    case Id::varchar:
      write_string(column.string(row), to);
      return true;
    case Id::blob:
      write_blob(column.string(row), to);
      return true;
    case Id::uuid:
      write_uuid(formats::wide_at(column, row), to);
      return true;
    case Id::interval:
      to += '"';
      formats::write_interval(column.values<Interval>()[row], to);
      to += '"';
      return true;
    case Id::date:
      return write_day(column.values<std::int32_t>()[row], to);
    case Id::time:
      write_time_of_day(column.values<std::int64_t>()[row], to);
      return true;
    case Id::timestamp_s:
      return write_timestamp(column, row, 0, is_utc, to);
    case Id::timestamp_ms:
      return write_timestamp(column, row, 3, is_utc, to);
    case Id::timestamp:
      return write_timestamp(column, row, 6, is_utc, to);
    case Id::timestamp_ns:
      return write_timestamp(column, row, 9, is_utc, to);
    case Id::timestamp_tz:
      return write_timestamp(column, row, 6, true, to);
    default:
      return false;
  }
}

/// "": it can be written. `path` is that of the type, for messages.
std::string why_unwritable(const Type& type, const std::string& path, std::size_t depth) {
  if (depth > kMaxTypeDepth) {
    return fmt::format("{} is nested deeper than {} levels", path, kMaxTypeDepth);
  }
  switch (type.id) {
    case Id::other:
      return fmt::format("JSON has no form for the type of {}", path);
    case Id::structure:
      for (const Type::Part& part : type.parts) {
        auto reason = why_unwritable(part.type, fmt::format("{}.{}", path, part.name), depth + 1);
        if (!reason.empty()) {
          return reason;
        }
      }
      return "";
    case Id::list:
      return why_unwritable(type.parts[0].type, path + "[]", depth + 1);
    case Id::map:
      if (const Type& key = type.parts[0].type;
          !key.parts.empty() || !why_unwritable(key, "", 0).empty()) {
        return fmt::format("the keys of {} have no text", path);
      }
      return why_unwritable(type.parts[1].type, path + "{}", depth + 1);
    default:
      return "";
  }
}

}  // namespace

Encoder::Encoder(const Schema& schema, const EncoderOptions& options) : options_(options) {
  columns_.reserve(schema.size());
  for (const Column& column : schema.columns) {
    const Type type = parse_type(column.type);
    if (const auto reason = why_unwritable(type, column.name, 1); !reason.empty()) {
      throw Error(Blame::user,
                  fmt::format("column {} ({}) can't be written as JSON: {}; cast it to "
                              "VARCHAR",
                              column.name, column.type, reason));
    }
    columns_.push_back(make_node(column.name, type));
  }
}

Encoder::Node Encoder::make_node(const std::string& name, const Type& type) {
  Node node{.name = name,
            .type = {.id = type.id, .precision = type.precision, .scale = type.scale}};
  node.key = ",";
  write_string(name, node.key);
  node.key += ':';
  node.parts.reserve(type.parts.size());
  for (const Type::Part& part : type.parts) {
    node.parts.push_back(make_node(type.id == Id::structure ? part.name : name + "[]", part.type));
  }
  return node;
}

std::optional<Malformation> Encoder::encode(const Chunk& rows, std::size_t row, std::string& to) {
  const std::size_t before = to.size();
  if (write_object(columns_, rows.columns, row, to)) {
    return std::nullopt;
  }
  to.resize(before);
  return Malformation{.column = std::exchange(path_, {}).substr(1),
                      .reason =
                          "a value that JSON has no form for: not a number, infinite, or a year "
                          "that is not one of 0000 to 9999"};
}

// Most columns are not nested, and pay for a comparison only.
inline bool Encoder::write(const Node& node, const ColumnView& column, std::size_t row,
                           std::string& to) {
  const std::size_t before = to.size();
  const bool written =
      node.parts.empty() ? write_plain(node, column, row, to) : write_nested(node, column, row, to);
  if (written || !options_.null_for_unwritable) {
    return written;
  }
  to.resize(before);
  to += "null";
  return true;
}

inline bool Encoder::write_plain(const Node& node, const ColumnView& column, std::size_t row,
                                 std::string& to) {
  return write_scalar(node.type, column, row, options_.timestamps_are_utc, to);
}

bool Encoder::write_nested(const Node& node, const ColumnView& column, std::size_t row,
                           std::string& to) {
  switch (node.type.id) {
    case Id::structure:
      return write_object(node.parts, parts_of(node, column), row, to);
    case Id::list:
      return write_list(node, column, row, to);
    default:
      return write_map(node, column, row, to);
  }
}

bool Encoder::write_object(std::span<const Node> fields, std::span<const ColumnView> columns,
                           std::size_t row, std::string& to) {
  const std::size_t begin = to.size();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const bool is_null = columns[i].is_null(row);
    if (is_null && options_.omit_nulls) {
      continue;
    }
    to += fields[i].key;
    if (is_null) {
      to += "null";
    } else if (!write(fields[i], columns[i], row, to)) {
      return blame("." + fields[i].name);
    }
  }
  if (to.size() == begin) {
    to += "{}";
    return true;
  }
  to[begin] = '{';  // where the first key has a comma
  to += '}';
  return true;
}

bool Encoder::write_list(const Node& node, const ColumnView& column, std::size_t row,
                         std::string& to) {
  const ColumnView& elements = parts_of(node, column)[0];
  const auto [offset, length] = column.values<ListEntry>()[row];
  to += '[';
  for (std::size_t i = 0; i < length; ++i) {
    to += i == 0 ? "" : ",";
    if (elements.is_null(offset + i)) {
      to += "null";
    } else if (!write(node.parts[0], elements, offset + i, to)) {
      return blame(fmt::format("[{}]", i));
    }
  }
  to += ']';
  return true;
}

bool Encoder::write_map(const Node& node, const ColumnView& column, std::size_t row,
                        std::string& to) {
  const auto [offset, length] = column.values<ListEntry>()[row];
  to += '{';
  for (std::size_t i = 0; i < length; ++i) {
    to += i == 0 ? "" : ",";
    if (!write_entry(node, column, offset + i, to)) {
      return blame(fmt::format("{{{}}}", i));
    }
  }
  to += '}';
  return true;
}

bool Encoder::write_entry(const Node& node, const ColumnView& column, std::size_t entry,
                          std::string& to) {
  const auto parts = parts_of(node, column);
  const std::size_t key = to.size();
  if (parts[0].is_null(entry) || !write_plain(node.parts[0], parts[0], entry, to)) {
    return false;
  }
  if (to[key] != '"') {
    to.insert(key, 1, '"');
    to += '"';
  }
  to += ':';
  if (parts[1].is_null(entry)) {
    to += "null";
    return true;
  }
  return write(node.parts[1], parts[1], entry, to);
}

/// SQL has STRUCTs whose fields have no names, and the text of their types can't be told from
/// others.
std::span<const ColumnView> Encoder::parts_of(const Node& node, const ColumnView& column) {
  if (column.part_count != node.parts.size()) {
    throw Error(Blame::user, fmt::format("column {} can't be written as JSON: it is a STRUCT "
                                         "without names; make it with struct_pack(), or cast it "
                                         "to VARCHAR",
                                         node.name));
  }
  return column.parts();
}

bool Encoder::blame(std::string_view place) {
  path_.insert(0, place);
  return false;
}

}  // namespace millrace::json
