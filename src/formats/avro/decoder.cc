#include "formats/avro/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/values.h"

namespace millrace::avro {

namespace {

/// The writers of a type and its parts, in the order of their slots.
void add_slots(const Type& type, ColumnWriter* writer, std::vector<ColumnWriter*>& slots) {
  slots.push_back(writer);
  for (std::size_t i = 0; i < type.parts.size(); i++) {
    add_slots(type.parts[i].type, writer == nullptr ? nullptr : writer->parts()[i], slots);
  }
}

bool is_utf8(std::string_view text) noexcept { return is_ascii(text) || !find_invalid_utf8(text); }

}  // namespace

Decoder::Decoder(Plan plan, const Limits& limits) : plan_(std::move(plan)), limits_(limits) {}

void Decoder::begin(std::span<ColumnWriter* const> columns) {
  if (columns.size() != plan_.row.parts.size()) {
    throw Error(Blame::internal, fmt::format("avro: {} columns to fill, the plan has {}",
                                             columns.size(), plan_.row.parts.size()));
  }
  std::vector<bool> read;
  slots_.assign(1, nullptr);
  for (std::size_t i = 0; i < columns.size(); i++) {
    read.push_back(columns[i] != nullptr);
    add_slots(plan_.row.parts[i].type, columns[i], slots_);
  }
  if (read != read_ || program_.places.empty()) {
    program_ = compile(plan_, read);
    read_ = std::move(read);
  }
}

std::optional<Malformation> Decoder::decode(std::string_view record, std::size_t row) {
  const std::size_t size = record.size();
  auto malformed = decode_next(record, row);
  if (!malformed && !record.empty()) {
    malformed = Malformation{
        .column = "",
        .reason = fmt::format("{} left behind the record, which ends at byte {}",
                              human_count(static_cast<std::int64_t>(record.size()), "byte"),
                              size - record.size())};
  }
  return malformed;
}

std::optional<Malformation> Decoder::decode_next(std::string_view& records, std::size_t row) {
  record_ = records.empty() ? "" : records.data();
  end_ = record_ + records.size();
  elements_ = 0;
  depth_ = 0;
  const Instruction* code = program_.code.data();
  const char* at = run(code, code + program_.end, row, record_);
  if (at == nullptr) {
    return std::move(fault_);
  }
  records = {at, static_cast<std::size_t>(end_ - at)};
  return std::nullopt;
}

const char* Decoder::run(const Instruction* step, const Instruction* stop, std::size_t row,
                         const char* at) {
  std::int64_t number = 0;
  for (; step != stop; step++) {
    const char* next = nullptr;
    switch (step->op) {
      case Op::text:
        next = text(*step, row, at);
        break;
      case Op::int_to_i32:
        next = read_int(at, end_, number);
        if (next == nullptr) {
          return fault_of_number(*step, at);
        }
        slots_[step->slot]->values<std::int32_t>()[row] = static_cast<std::int32_t>(number);
        break;
      case Op::nullable:
        next = branch(*step, 2, at, number);
        if (next != nullptr && number == step->argument) {
          slots_[step->slot]->set_null(row);
          step += step->length;
        }
        break;
      case Op::choose:
        next = branch(*step, step->length, at, number);
        if (next != nullptr) {
          // One before it: the loop goes on by one.
          step = program_.code.data() +
                 program_.targets[static_cast<std::size_t>(step->argument + number)] - 1;
        }
        break;
      case Op::jump:
        step += step->length;
        next = at;
        break;
      case Op::list:
      case Op::map:
      case Op::skip_blocks:
      case Op::constant:
        next = with_body(*step, row, at);
        step += step->length;
        break;
      default:
        next = value(*step, row, at);
        break;
    }
    if (next == nullptr) {
      return nullptr;
    }
    at = next;
  }
  return at;
}

/// What the instructions behind `step` belong to, and are run by.
const char* Decoder::with_body(const Instruction& step, std::size_t row, const char* at) {
  switch (step.op) {
    case Op::list:
      return list(step, row, at);
    case Op::map:
      return map(step, row, at);
    case Op::skip_blocks:
      return skip_blocks(step, at);
    default:
      return constant(step, row, at);
  }
}

const char* Decoder::value(const Instruction& step, std::size_t row, const char* at) {
  switch (step.op) {
    case Op::boolean:
    case Op::f32:
    case Op::f64:
    case Op::f32_to_f64:
      return raw_number(step, row, at);
    case Op::bytes:
    case Op::uuid_text:
    case Op::decimal_bytes:
      return sized(step, row, at);
    case Op::fixed_bytes:
    case Op::uuid_bytes:
    case Op::decimal_fixed:
    case Op::duration:
      return fixed(step, row, at);
    case Op::skip_bytes:
    case Op::skip_varint:
    case Op::skip_sized:
      return skip(step, at);
    case Op::skip_call:
      return skip_call(step, at);
    case Op::symbol:
      return symbol(step, row, at);
    case Op::set_null:
      slots_[step.slot]->set_null(row);
      return at;
    case Op::only_branch: {
      const auto fields = slots_[step.slot]->parts();
      for (std::size_t i = 0; i < fields.size(); i++) {
        if (std::cmp_not_equal(i, step.argument)) {
          fields[i]->set_null(row);
        }
      }
      return at;
    }
    case Op::fail:
      return fault(step, at, program_.texts[static_cast<std::size_t>(step.argument)]);
    default:
      return whole_number(step, row, at);
  }
}

const char* Decoder::text(const Instruction& step, std::size_t row, const char* at) {
  std::string_view text;
  const char* next = read_sized(at, end_, text);
  if (next == nullptr) {
    return fault_of_length(step, at);
  }
  if (!is_utf8(text)) {
    return fault(step, text.data() + *find_invalid_utf8(text), "text that is no UTF-8");
  }
  slots_[step.slot]->set_string(row, text);
  return next;
}

const char* Decoder::whole_number(const Instruction& step, std::size_t row, const char* at) {
  std::int64_t number = 0;
  const char* next =
      step.is_int || step.op == Op::date ? read_int(at, end_, number) : read_long(at, end_, number);
  if (next == nullptr) {
    return fault_of_number(step, at);
  }
  ColumnWriter& to = *slots_[step.slot];
  std::optional<std::int64_t> result = number;
  switch (step.op) {
    case Op::to_i128:
      store_wide(to.values<char>(), row, number);
      return next;
    case Op::to_f32:
      to.values<float>()[row] = static_cast<float>(number);
      return next;
    case Op::to_f64:
      to.values<double>()[row] = static_cast<double>(number);
      return next;
    case Op::date:
      if (number < -kDateMax || number > kDateMax) {
        return fault(step, at, fmt::format("day {} is out of range", number));
      }
      to.values<std::int32_t>()[row] = static_cast<std::int32_t>(number);
      return next;
    case Op::number_to_decimal:
      return store_decimal(to, row, number, step.digits, step.shift)
                 ? next
                 : fault(step, at, "a decimal of too many digits");
    case Op::time:
      if (number < 0 || number > kMicrosPerDay / step.argument) {
        return fault(step, at, fmt::format("{} is no time of day", number));
      }
      result = number * step.argument;
      break;
    case Op::timestamp:
      result = to_micros(number, step.argument);
      break;
    case Op::timestamp_ms:
      result = to_micros(number, 1000) ? result : std::nullopt;
      break;
    case Op::timestamp_ns:
      result = to_nanos(number, step.argument);
      break;
    default:
      break;
  }
  if (!result) {
    return fault(step, at, fmt::format("timestamp {} is out of range", number));
  }
  to.values<std::int64_t>()[row] = *result;
  return next;
}

const char* Decoder::raw_number(const Instruction& step, std::size_t row, const char* at) {
  ColumnWriter& to = *slots_[step.slot];
  const char* next = nullptr;
  if (step.op == Op::boolean) {
    unsigned char byte = 0;
    next = read_raw(at, end_, byte);
    if (next != nullptr && byte > 1) {
      return fault(step, at, fmt::format("{} is no boolean", byte));
    }
    to.values<bool>()[row] = byte == 1;
  } else if (step.op == Op::f64) {
    double number = 0;
    next = read_raw(at, end_, number);
    to.values<double>()[row] = number;
  } else {
    float number = 0;
    next = read_raw(at, end_, number);
    if (step.op == Op::f32) {
      to.values<float>()[row] = number;
    } else {
      to.values<double>()[row] = static_cast<double>(number);
    }
  }
  return next != nullptr ? next : fault(step, at, "the bytes end within a number");
}

const char* Decoder::sized(const Instruction& step, std::size_t row, const char* at) {
  std::string_view bytes;
  const char* next = read_sized(at, end_, bytes);
  if (next == nullptr) {
    return fault_of_length(step, at);
  }
  ColumnWriter& to = *slots_[step.slot];
  if (step.op == Op::bytes) {
    to.set_string(row, bytes);
  } else if (step.op == Op::uuid_text) {
    const auto uuid = parse_uuid(bytes);
    if (!uuid) {
      return fault(step, at, "text that is no UUID");
    }
    store_wide(to.values<char>(), row, *uuid);
  } else {
    const auto number = big_endian(bytes);
    if (!number || !store_decimal(to, row, *number, step.digits, step.shift)) {
      return fault(step, at,
                   bytes.empty() ? "a decimal without bytes" : "a decimal of too many digits");
    }
  }
  return next;
}

const char* Decoder::fixed(const Instruction& step, std::size_t row, const char* at) {
  const std::int64_t size = step.op == Op::uuid_bytes ? 16
                            : step.op == Op::duration ? 12
                                                      : step.argument;
  if (end_ - at < size) {
    return fault(step, at,
                 fmt::format("{} needed and {} left", human_count(size, "byte"), end_ - at));
  }
  const std::string_view bytes(at, static_cast<std::size_t>(size));
  ColumnWriter& to = *slots_[step.slot];
  if (step.op == Op::fixed_bytes) {
    to.set_string(row, bytes);
  } else if (step.op == Op::uuid_bytes) {
    store_wide(to.values<char>(), row, uuid_of(bytes));
  } else if (step.op == Op::decimal_fixed) {
    const auto number = big_endian(bytes);
    if (!number || !store_decimal(to, row, *number, step.digits, step.shift)) {
      return fault(step, at, "a decimal of too many digits");
    }
  } else {
    const auto interval = interval_of(bytes);
    if (!interval) {
      return fault(step, at, "a duration that is out of range");
    }
    to.values<Interval>()[row] = *interval;
  }
  return at + size;
}

const char* Decoder::symbol(const Instruction& step, std::size_t row, const char* at) {
  std::int64_t number = 0;
  const char* next = read_int(at, end_, number);
  if (next == nullptr) {
    return fault_of_number(step, at);
  }
  if (number < 0 || std::cmp_greater_equal(number, step.length)) {
    return fault(step, at, fmt::format("symbol {} of an enum of {}", number, step.length));
  }
  const auto& text = program_.symbols[static_cast<std::size_t>(step.argument + number)];
  if (!text) {
    return fault(step, at,
                 fmt::format("symbol {} is none of the reader's, and the reader's enum "
                             "has no default",
                             number));
  }
  slots_[step.slot]->set_string(row, *text);
  return next;
}

}  // namespace millrace::avro
