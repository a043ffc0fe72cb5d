#include "formats/avro/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

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

std::optional<Malformation> Encoder::encode(const Chunk& rows, std::size_t row, std::string& to) {
  const std::size_t before = to.size();
  for (const Step& step : steps_) {
    if (step.write == Write::constant) {
      to += step.constant;
      continue;
    }
    const ColumnView& column = rows.columns[step.column];
    std::string reason;
    if (column.is_null(row)) {
      if (step.null_branch >= 0) {
        write_long(step.null_branch, to);
        continue;
      }
      reason = "NULL in a field that may not be null";
    } else {
      if (step.value_branch >= 0) {
        write_long(step.value_branch, to);
      }
      reason = write(step, column, row, to);
    }
    if (!reason.empty()) {
      to.resize(before);
      return Malformation{.column = names_[step.column], .reason = std::move(reason)};
    }
  }
  return std::nullopt;
}

std::string Encoder::write(const Step& step, const ColumnView& column, std::size_t row,
                           std::string& to) {
  switch (step.write) {
    case Write::boolean:
      to += static_cast<char>(column.values<bool>()[row]);
      break;
    case Write::whole:
      write_long(whole_of(column, row), to);
      break;
    case Write::date:
      if (std::abs(whole_of(column, row)) > kDateMax) {
        return "a date that is infinite";
      }
      write_long(whole_of(column, row), to);
      break;
    case Write::f32:
      write_raw(column.values<float>()[row], to);
      break;
    case Write::f64:
      write_raw(column.values<double>()[row], to);
      break;
    case Write::f32_to_f64:
      write_raw(static_cast<double>(column.values<float>()[row]), to);
      break;
    case Write::text:
      write_sized(column.string(row), to);
      break;
    case Write::fixed:
    case Write::symbol:
    case Write::checked_uuid:
      return write_bytes(step, column.string(row), to);
    case Write::decimal:
      return write_decimal(step, column, row, to);
    case Write::time:
      return std::string(write_time(step, whole_of(column, row), to));
    case Write::uuid_text:
      write_sized(uuid_text(load_wide(column.data, row)), to);
      break;
    case Write::uuid_bytes:
      to += big_endian_bytes(load_wide(column.data, row) ^ (Wide{1} << 127U), sizeof(Wide));
      break;
    case Write::interval:
      return std::string(write_interval(column.values<Interval>()[row], to));
    case Write::constant:
      break;
  }
  return "";
}

std::string Encoder::write_bytes(const Step& step, std::string_view bytes, std::string& to) {
  if (step.write == Write::fixed) {
    if (bytes.size() != step.size) {
      return fmt::format("{} where a fixed has {}",
                         human_count(static_cast<std::int64_t>(bytes.size()), "byte"), step.size);
    }
    to += bytes;
    return "";
  }
  if (step.write == Write::checked_uuid) {
    if (!parse_uuid(bytes)) {
      return "text that is no UUID";
    }
    write_sized(bytes, to);
    return "";
  }
  const auto found = std::ranges::find(step.symbols, bytes);
  if (found == step.symbols.end()) {
    return fmt::format("`{}` is none of the enum's symbols", bytes.substr(0, 80));
  }
  write_long(found - step.symbols.begin(), to);
  return "";
}

std::string Encoder::write_decimal(const Step& step, const ColumnView& column, std::size_t row,
                                   std::string& to) {
  Wide value = wide_of(column, row);
  const Wide bound = power_of_ten(step.digits - step.shift);
  if (value >= bound || value <= -bound) {
    return fmt::format("a number of more than {} digits", step.digits);
  }
  value *= power_of_ten(step.shift);
  const std::string bytes = big_endian_bytes(value, step.size);
  if (step.size > 0) {
    to += bytes;
  } else {
    write_sized(bytes, to);
  }
  return "";
}

std::string_view Encoder::write_time(const Step& step, std::int64_t value, std::string& to) {
  if (value < -kMicrosMax || value > kMicrosMax) {
    return "a time that is infinite";
  }
  if (step.factor < 0) {
    if (value % -step.factor != 0) {
      return "a time that is finer than the schema's unit";
    }
    value /= -step.factor;
  } else if (__builtin_mul_overflow(value, step.factor, &value)) {
    return "a time that is out of range";
  }
  write_long(value, to);
  return "";
}

std::string_view Encoder::write_interval(const Interval& interval, std::string& to) {
  const std::int64_t millis = interval.micros / 1000;
  if (interval.months < 0 || interval.days < 0 || interval.micros < 0 ||
      interval.micros % 1000 != 0 ||
      std::cmp_greater(millis, std::numeric_limits<std::uint32_t>::max())) {
    return "an interval that is negative, finer than a millisecond, or of more than 2^32 of them";
  }
  for (const std::int64_t part :
       std::array<std::int64_t, 3>{interval.months, interval.days, millis}) {
    write_raw(static_cast<std::uint32_t>(part), to);
  }
  return "";
}

}  // namespace millrace::avro
