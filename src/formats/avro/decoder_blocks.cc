// The parts of the decoder that go round: arrays, maps, what is jumped over, and faults.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "formats/avro/decoder.h"
#include "formats/avro/wire.h"

namespace millrace::avro {

namespace {

constexpr std::size_t kFewKeys = 8;  // compared one by one

}  // namespace

const char* Decoder::branch(const Instruction& step, std::int64_t count, const char* at,
                            std::int64_t& chosen) {
  const char* next = read_int(at, end_, chosen);
  if (next == nullptr) {
    return fault_of_number(step, at);
  }
  if (chosen < 0 || chosen >= count) {
    return fault(step, at, fmt::format("branch {} of a union of {}", chosen, count));
  }
  return next;
}

const char* Decoder::block(const Instruction& step, const char* at, Block& to) {
  std::int64_t count = 0;
  const char* next = read_long(at, end_, count);
  if (next == nullptr || count == std::numeric_limits<std::int64_t>::min()) {
    return fault_of_number(step, at);
  }
  to = {.count = static_cast<std::size_t>(count < 0 ? -count : count)};
  if (count < 0) {
    std::int64_t size = 0;
    const char* begin = read_long(next, end_, size);
    if (begin == nullptr) {
      return fault_of_number(step, next);
    }
    if (size < 0 || size > end_ - begin) {
      return fault(step, next,
                   fmt::format("a block of {} bytes where {} are left", size, end_ - begin));
    }
    to.end = begin + size;
    next = begin;
  }
  return next;
}

/// Runs the elements of a block through the instructions behind `step`.
const char* Decoder::elements_of(const Instruction& step, const Block& block, std::size_t row,
                                 const char* at) {
  if (block.count > limits_.elements - elements_) {
    return fault(step, at, fmt::format("more than {} elements in a record", limits_.elements));
  }
  elements_ += block.count;
  ColumnWriter& to = *slots_[step.slot];
  const Instruction* body = &step + 1;
  for (std::size_t i = 0; i < block.count && at != nullptr; i++) {
    const std::size_t element = to.add_element(row);
    if (step.op == Op::map) {
      const Instruction key{.op = Op::text, .slot = step.slot + 1, .place = step.place};
      at = text(key, element, at);
    }
    at = at == nullptr ? nullptr : run(body, body + step.length, element, at);
  }
  if (at != nullptr && block.end != nullptr && at != block.end) {
    return fault(step, at, "a block whose elements have another size than it says");
  }
  return at;
}

const char* Decoder::list(const Instruction& step, std::size_t row, const char* at) {
  slots_[step.slot]->begin_list(row);
  for (Block next;;) {
    at = block(step, at, next);
    if (at == nullptr || next.count == 0) {
      return at;
    }
    at = elements_of(step, next, row, at);
    if (at == nullptr) {
      return nullptr;
    }
  }
}

const char* Decoder::map(const Instruction& step, std::size_t row, const char* at) {
  at = list(step, row, at);
  return at == nullptr ? nullptr : unique_keys(step, row, at);
}

const char* Decoder::unique_keys(const Instruction& step, std::size_t row, const char* at) {
  const ListEntry entry = slots_[step.slot]->values<ListEntry>()[row];
  const StringRef* keys = slots_[step.slot + 1]->values<StringRef>() + entry.offset;
  if (entry.length <= kFewKeys) {
    for (std::size_t i = 1; i < entry.length; i++) {
      for (std::size_t k = 0; k < i; k++) {
        if (keys[i].view() == keys[k].view()) {
          return fault(step, at, fmt::format("key `{}` comes twice", keys[i].view()));
        }
      }
    }
    return at;
  }
  keys_.clear();
  for (std::size_t i = 0; i < entry.length; i++) {
    keys_.push_back(keys[i].view());
  }
  std::ranges::sort(keys_);
  const auto twice = std::ranges::adjacent_find(keys_);
  return twice == keys_.end() ? at : fault(step, at, fmt::format("key `{}` comes twice", *twice));
}

const char* Decoder::skip(const Instruction& step, const char* at) {
  if (step.op == Op::skip_bytes) {
    return end_ - at >= step.argument
               ? at + step.argument
               : fault(step, at,
                       fmt::format("{} needed and {} left", human_count(step.argument, "byte"),
                                   end_ - at));
  }
  if (step.op == Op::skip_varint) {
    std::int64_t number = 0;
    const char* next = read_long(at, end_, number);
    return next != nullptr ? next : fault_of_number(step, at);
  }
  std::string_view bytes;
  const char* next = read_sized(at, end_, bytes);
  return next != nullptr ? next : fault_of_length(step, at);
}

const char* Decoder::skip_blocks(const Instruction& step, const char* at) {
  const Instruction* body = &step + 1;
  for (Block next;;) {
    at = block(step, at, next);
    if (at == nullptr || next.count == 0) {
      return at;
    }
    if (next.end != nullptr) {
      at = next.end;
      continue;
    }
    // Elements without bytes have no instructions; all others end with the bytes.
    for (std::size_t i = 0; i < next.count && step.length > 0; i++) {
      at = run(body, body + step.length, 0, at);
      if (at == nullptr) {
        return nullptr;
      }
    }
  }
}

const char* Decoder::skip_call(const Instruction& step, const char* at) {
  if (++depth_ > limits_.depth) {
    return fault(step, at, fmt::format("values nested more than {} deep", limits_.depth));
  }
  const Instruction* body = program_.code.data() + step.argument;
  at = run(body, body + step.length, 0, at);
  depth_--;
  return at;
}

const char* Decoder::constant(const Instruction& step, std::size_t row, const char* at) {
  const std::string& bytes = program_.constants[static_cast<std::size_t>(step.argument)];
  const char* const end = std::exchange(end_, bytes.data() + bytes.size());
  const char* const record = std::exchange(record_, bytes.data());
  const char* done = run(&step + 1, &step + 1 + step.length, row, bytes.data());
  end_ = end;
  record_ = record;
  return done == nullptr ? nullptr : at;
}

const char* Decoder::fault(const Instruction& step, const char* at, std::string_view reason) {
  fault_ = {.column = program_.places[step.place],
            .reason = fmt::format("{}, at byte {}", reason, at - record_)};
  return nullptr;
}

const char* Decoder::fault_of_number(const Instruction& step, const char* at) {
  // An int's bytes that are a long's are too large a number; what else is no long has ended.
  std::int64_t number = 0;
  const bool is_long = read_long(at, end_, number) != nullptr;
  return fault(step, at,
               is_long || end_ - at >= kLongBytesMax ? "a number that is too large"
                                                     : "the bytes end within a number");
}

const char* Decoder::fault_of_length(const Instruction& step, const char* at) {
  std::int64_t length = 0;
  const char* begin = read_long(at, end_, length);
  if (begin == nullptr) {
    return fault_of_number(step, at);
  }
  return fault(
      step, at,
      fmt::format("a length of {} where {} left", length, human_count(end_ - begin, "byte")));
}

}  // namespace millrace::avro
