// Single JSON values put into columns: what each SQL type takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/json/numbers.h"
#include "formats/json/plan.h"

namespace millrace::json {

/// What a number means where a moment or a time is wanted.
enum class TimestampUnit : std::uint8_t {
  seconds,
  milliseconds,
  microseconds,
  nanoseconds,
  /// By its size, for moments from 1973 to 5138: below 10^11 seconds, 10^14 milliseconds, 10^17
  /// microseconds, else nanoseconds. Numbers for TIME are milliseconds.
  automatic,
};

/// How values are taken. Fixed for the life of a decoder.
struct ValueRules {
  TimestampUnit timestamp_unit = TimestampUnit::milliseconds;
  bool numbers_in_strings = true;  ///< "12" is a number, too, and "true" a BOOLEAN
  bool strict = false;             ///< a DECIMAL is not rounded
};

/// Puts a number, given by its text, into row `row` of a node's column. Any text is allowed:
/// Fault::form if it is no number.
[[nodiscard]] Fault put_number(const PlanNode& node, std::size_t row, std::string_view text,
                               const ValueRules& rules);
/// Puts a string, given by its meaning, into a column of any type but VARCHAR. `scratch` is used
/// for a while.
[[nodiscard]] Fault put_string(const PlanNode& node, std::size_t row, std::string_view text,
                               const ValueRules& rules, std::string& scratch);
[[nodiscard]] Fault put_boolean(const PlanNode& node, std::size_t row, bool value);

}  // namespace millrace::json
