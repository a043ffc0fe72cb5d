// A plan as a flat list of instructions, for the columns that somebody reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/avro/plan.h"

namespace millrace::avro {

struct Instruction {
  Op op = Op::jump;
  bool is_int = false;
  std::uint8_t digits = 0;
  std::uint8_t shift = 0;
  Slot slot = 0;
  std::uint32_t length = 0;
  std::uint32_t place = 0;  ///< the column, in `places`
  std::int64_t argument = 0;
};

struct Program {
  std::vector<Instruction> code;
  std::uint32_t end = 0;  ///< of the row; behind it are records to call
  std::vector<std::string> places;
  std::vector<std::string> texts;  ///< of failures
  std::vector<std::string> constants;
  std::vector<std::optional<std::string>> symbols;
  std::vector<std::uint32_t> targets;  ///< places in `code`
};

/// `read`: which columns are; the others are jumped over.
[[nodiscard]] Program compile(const Plan& plan, const std::vector<bool>& read);

}  // namespace millrace::avro
