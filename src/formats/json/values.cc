#include "formats/json/values.h"

#include <limits>

#include "base/strings.h"
#include "core/times.h"
#include "core/uuid.h"
#include "formats/intervals.h"

namespace millrace::json {
namespace {

using Id = Type::Id;

constexpr std::int64_t kNanosASecond = 1'000'000'000;

template <class T>
void put(const PlanNode& node, std::size_t row, T value) {
  node.writer->values<T>()[row] = value;
}

template <class Integer>
Fault put_integer(const PlanNode& node, std::size_t row, std::string_view text) {
  std::int64_t value = 0;
  Int128 wide = 0;
  if (read_short_integer(text, value)) {
    wide = value;
  } else if (const Fault fault = read_scaled(text, 0, Rounding::none, wide); fault != Fault::none) {
    return fault;
  }
  if (wide < std::numeric_limits<Integer>::min() || wide > std::numeric_limits<Integer>::max()) {
    return Fault::range;
  }
  put(node, row, static_cast<Integer>(wide));
  return Fault::none;
}

template <class Float>
Fault put_float(const PlanNode& node, std::size_t row, std::string_view text) {
  return read_float(text, node.writer->values<Float>()[row]);
}

Fault put_decimal(const PlanNode& node, std::size_t row, std::string_view text, bool exact) {
  Int128 value = 0;
  const auto rounding = exact ? Rounding::none : Rounding::nearest;
  if (const Fault fault = read_scaled(text, node.scale, rounding, value); fault != Fault::none) {
    return fault;
  }
  const Int128 limit = power_of_ten(node.precision);
  if (value <= -limit || value >= limit) {
    return Fault::range;
  }
  if (node.precision <= 4) {
    put(node, row, static_cast<std::int16_t>(value));
  } else if (node.precision <= 9) {
    put(node, row, static_cast<std::int32_t>(value));
  } else if (node.precision <= 18) {
    put(node, row, static_cast<std::int64_t>(value));
  } else {
    put(node, row, value);
  }
  return Fault::none;
}

/// The digits behind a second's point in a TIMESTAMP's unit.
int digits_of(Id id) {
  switch (id) {
    case Id::timestamp_s:
      return 0;
    case Id::timestamp_ms:
      return 3;
    case Id::timestamp_ns:
      return 9;
    default:
      return 6;
  }
}

Fault put_moment(const PlanNode& node, std::size_t row, const Moment& moment) {
  const bool fits = to_unit(moment, digits_of(node.id), node.writer->values<std::int64_t>()[row]);
  return fits ? Fault::none : Fault::range;
}

/// What a unit is times 10^n to be nanoseconds.
int nanos_power(TimestampUnit unit) {
  switch (unit) {
    case TimestampUnit::seconds:
      return 9;
    case TimestampUnit::microseconds:
      return 3;
    case TimestampUnit::nanoseconds:
      return 0;
    default:
      return 6;
  }
}

TimestampUnit unit_by_size(Int128 number) {
  const Int128 size = number < 0 ? -(number + 1) : number;  // the least one has no opposite
  return size < 100'000'000'000           ? TimestampUnit::seconds
         : size < 100'000'000'000'000     ? TimestampUnit::milliseconds
         : size < 100'000'000'000'000'000 ? TimestampUnit::microseconds
                                          : TimestampUnit::nanoseconds;
}

/// A number of units as nanoseconds, rounded down.
Fault read_nanos(std::string_view text, TimestampUnit unit, Int128& nanos) {
  if (unit == TimestampUnit::automatic) {
    Int128 number = 0;
    if (const Fault fault = read_scaled(text, 0, Rounding::down, number); fault != Fault::none) {
      return fault;
    }
    unit = unit_by_size(number);
  }
  return read_scaled(text, nanos_power(unit), Rounding::down, nanos);
}

Fault put_epoch(const PlanNode& node, std::size_t row, std::string_view text, TimestampUnit unit) {
  Int128 nanos = 0;
  if (const Fault fault = read_nanos(text, unit, nanos); fault != Fault::none) {
    return fault;
  }
  Int128 seconds = nanos / kNanosASecond;
  Int128 rest = nanos % kNanosASecond;
  if (rest < 0) {
    rest += kNanosASecond;
    --seconds;
  }
  if (seconds < std::numeric_limits<std::int64_t>::min() ||
      seconds > std::numeric_limits<std::int64_t>::max()) {
    return Fault::range;
  }
  return put_moment(
      node, row,
      {.seconds = static_cast<std::int64_t>(seconds), .nanos = static_cast<std::int32_t>(rest)});
}

Fault put_time_of_day(const PlanNode& node, std::size_t row, std::string_view text,
                      TimestampUnit unit) {
  constexpr Int128 kNanosADay = static_cast<Int128>(86'400) * kNanosASecond;
  Int128 nanos = 0;
  const auto fault = read_nanos(
      text, unit == TimestampUnit::automatic ? TimestampUnit::milliseconds : unit, nanos);
  if (fault != Fault::none) {
    return fault;
  }
  if (nanos < 0 || nanos >= kNanosADay) {
    return Fault::range;
  }
  put(node, row, static_cast<std::int64_t>(nanos / 1000));
  return Fault::none;
}

/// A number of days, as Debezium and Kafka Connect write dates.
Fault put_days(const PlanNode& node, std::size_t row, std::string_view text) {
  const Fault fault = put_integer<std::int32_t>(node, row, text);
  const std::int64_t days = node.writer->values<std::int32_t>()[row];
  return fault == Fault::none && (days < -kDateMax || days > kDateMax) ? Fault::range : fault;
}

Fault put_uuid(const PlanNode& node, std::size_t row, std::string_view text) {
  const auto uuid = parse_uuid(text, UuidHyphens::optional);
  if (!uuid) {
    return Fault::form;
  }
  put(node, row, *uuid);
  return Fault::none;
}

Fault put_date_text(const PlanNode& node, std::size_t row, std::string_view text) {
  return read_date(text, node.writer->values<std::int32_t>()[row]) ? Fault::none : Fault::form;
}

Fault put_time_text(const PlanNode& node, std::size_t row, std::string_view text) {
  return read_time(text, node.writer->values<std::int64_t>()[row]) ? Fault::none : Fault::form;
}

Fault put_blob(const PlanNode& node, std::size_t row, std::string_view text, std::string& scratch) {
  if (!decode_base64(text, scratch, Base64Padding::optional)) {
    return Fault::form;
  }
  node.writer->set_string(row, scratch);
  return Fault::none;
}

bool is_timestamp(Id id) {
  return id == Id::timestamp || id == Id::timestamp_tz || id == Id::timestamp_s ||
         id == Id::timestamp_ms || id == Id::timestamp_ns;
}

}  // namespace

Fault put_number(const PlanNode& node, std::size_t row, std::string_view text,
                 const ValueRules& rules) {
  switch (node.id) {
    case Id::i8:
      return put_integer<std::int8_t>(node, row, text);
    case Id::i16:
      return put_integer<std::int16_t>(node, row, text);
    case Id::i32:
      return put_integer<std::int32_t>(node, row, text);
    case Id::i64:
      return put_integer<std::int64_t>(node, row, text);
    case Id::i128:
      return put_integer<Int128>(node, row, text);
    case Id::u8:
      return put_integer<std::uint8_t>(node, row, text);
    case Id::u16:
      return put_integer<std::uint16_t>(node, row, text);
    case Id::u32:
      return put_integer<std::uint32_t>(node, row, text);
    case Id::u64:
      return put_integer<std::uint64_t>(node, row, text);
    case Id::f32:
      return put_float<float>(node, row, text);
    case Id::f64:
      return put_float<double>(node, row, text);
    case Id::decimal:
      return put_decimal(node, row, text, rules.strict);
    case Id::date:
      return put_days(node, row, text);
    case Id::time:
      return put_time_of_day(node, row, text, rules.timestamp_unit);
    default:
      return is_timestamp(node.id) ? put_epoch(node, row, text, rules.timestamp_unit) : Fault::form;
  }
}

Fault put_string(const PlanNode& node, std::size_t row, std::string_view text,
                 const ValueRules& rules, std::string& scratch) {
  Moment moment;
  switch (node.id) {
    case Id::uuid:
      return put_uuid(node, row, text);
    case Id::blob:
      return put_blob(node, row, text, scratch);
    case Id::date:
      return put_date_text(node, row, text);
    case Id::interval:
      return formats::read_interval(text, node.writer->values<Interval>()[row]) ? Fault::none
                                                                                : Fault::form;
    case Id::time:
      return put_time_text(node, row, text);
    case Id::decimal:
      return put_decimal(node, row, text, rules.strict);
    case Id::boolean:
      return rules.numbers_in_strings && (text == "true" || text == "false")
                 ? put_boolean(node, row, text == "true")
                 : Fault::form;
    default:
      if (is_timestamp(node.id)) {
        return read_moment(text, moment) ? put_moment(node, row, moment) : Fault::form;
      }
      return rules.numbers_in_strings ? put_number(node, row, text, rules) : Fault::form;
  }
}

Fault put_boolean(const PlanNode& node, std::size_t row, bool value) {
  if (node.id != Id::boolean) {
    return Fault::form;
  }
  put(node, row, value);
  return Fault::none;
}

}  // namespace millrace::json
