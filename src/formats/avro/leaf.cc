#include "formats/avro/leaf.h"

#include "formats/avro/logical.h"

namespace millrace::avro {

namespace {

using Id = Type::Id;

constexpr int kIntDigits = 10;
constexpr int kLongDigits = 19;

bool is_whole(const Node& node) { return node.kind == Kind::int_ || node.kind == Kind::long_; }

std::optional<Leaf> time_leaf(Logical logical, const Type& type, bool is_int) {
  const std::int64_t unit = is_time_of_day(logical) ? 0 : nanos_of(logical);  // of a timestamp
  switch (type.id) {
    case Id::date:
      return logical == Logical::date ? std::optional(Leaf{.op = Op::date}) : std::nullopt;
    case Id::time:
      return is_time_of_day(logical)
                 ? std::optional(
                       Leaf{.op = Op::time, .is_int = is_int, .argument = nanos_of(logical) / 1000})
                 : std::nullopt;
    case Id::timestamp:
    case Id::timestamp_tz:
      if (unit == 0) {
        return std::nullopt;
      }
      return Leaf{
          .op = Op::timestamp, .is_int = is_int, .argument = unit >= 1000 ? unit / 1000 : -1000};
    case Id::timestamp_ms:
      return unit == 1'000'000 ? std::optional(Leaf{.op = Op::timestamp_ms, .is_int = is_int})
                               : std::nullopt;
    case Id::timestamp_ns:
      return unit > 0
                 ? std::optional(Leaf{.op = Op::timestamp_ns, .is_int = is_int, .argument = unit})
                 : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Leaf> whole_leaf(const Type& type, bool is_int, Rounding rounding) {
  switch (type.id) {
    case Id::i32:
      return is_int ? std::optional(Leaf{.op = Op::int_to_i32}) : std::nullopt;
    case Id::i64:
      return Leaf{.op = Op::to_i64, .is_int = is_int};
    case Id::i128:
      return Leaf{.op = Op::to_i128, .is_int = is_int};
    case Id::f32:
      return rounding == Rounding::as_promoted
                 ? std::optional(Leaf{.op = Op::to_f32, .is_int = is_int})
                 : std::nullopt;
    case Id::f64:
      return is_int || rounding == Rounding::as_promoted
                 ? std::optional(Leaf{.op = Op::to_f64, .is_int = is_int})
                 : std::nullopt;
    case Id::decimal:
      if (type.precision - type.scale < (is_int ? kIntDigits : kLongDigits)) {
        return std::nullopt;
      }
      return Leaf{.op = Op::number_to_decimal,
                  .is_int = is_int,
                  .digits = static_cast<std::uint8_t>(type.precision),
                  .shift = static_cast<std::uint8_t>(type.scale)};
    default:
      return std::nullopt;
  }
}

std::optional<Leaf> decimal_leaf(const Node& writer, const Node& meaning, const Type& type) {
  if (meaning.logical != Logical::decimal || type.scale < meaning.scale ||
      type.precision - type.scale < meaning.precision - meaning.scale) {
    return std::nullopt;
  }
  const bool fixed = writer.kind == Kind::fixed;
  return Leaf{.op = fixed ? Op::decimal_fixed : Op::decimal_bytes,
              .digits = static_cast<std::uint8_t>(type.precision),
              .shift = static_cast<std::uint8_t>(type.scale - meaning.scale),
              .argument = static_cast<std::int64_t>(writer.size)};
}

/// bytes, string and fixed.
std::optional<Leaf> bytes_leaf(const Node& writer, const Node& meaning, const Type& type) {
  const bool fixed = writer.kind == Kind::fixed;
  switch (type.id) {
    case Id::varchar:
      return fixed || writer.logical == Logical::decimal ? std::nullopt
                                                         : std::optional(Leaf{.op = Op::text});
    case Id::blob:
      return Leaf{.op = fixed ? Op::fixed_bytes : Op::bytes,
                  .argument = static_cast<std::int64_t>(writer.size)};
    case Id::uuid:
      if (meaning.logical != Logical::uuid || writer.kind == Kind::bytes) {
        return std::nullopt;
      }
      return Leaf{.op = fixed ? Op::uuid_bytes : Op::uuid_text};
    case Id::interval:
      return meaning.logical == Logical::duration && fixed ? std::optional(Leaf{.op = Op::duration})
                                                           : std::nullopt;
    case Id::decimal:
      return decimal_leaf(writer, meaning, type);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Leaf> leaf_of(const Node& writer, const Node& meaning, const Type& type,
                            Rounding rounding) {
  switch (writer.kind) {
    case Kind::boolean:
      return type.id == Id::boolean ? std::optional(Leaf{.op = Op::boolean}) : std::nullopt;
    case Kind::float_:
      return type.id == Id::f32   ? std::optional(Leaf{.op = Op::f32})
             : type.id == Id::f64 ? std::optional(Leaf{.op = Op::f32_to_f64})
                                  : std::nullopt;
    case Kind::double_:
      return type.id == Id::f64 ? std::optional(Leaf{.op = Op::f64}) : std::nullopt;
    case Kind::bytes:
    case Kind::string:
    case Kind::fixed:
      return bytes_leaf(writer, meaning, type);
    default:
      break;
  }
  if (!is_whole(writer)) {
    return std::nullopt;
  }
  const bool is_int = writer.kind == Kind::int_;
  const auto whole = whole_leaf(type, is_int, rounding);
  return whole ? whole : time_leaf(meaning.logical, type, is_int);
}

}  // namespace millrace::avro
