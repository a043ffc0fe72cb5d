// INTERVALs as text, and what TIMESTAMPs are counted in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/chunk.h"
#include "core/type.h"

namespace millrace::formats {

/// "14 months 3 days -04:05:06.5"; parts that are 0 are left out, and 0 is "00:00:00". SQL reads it
/// as the same.
void write_interval(const Interval& interval, std::string& to);
/// The same back; also years, weeks and DuckDB's "mons", each with or without its s, in any order;
/// the clock comes last. False: it is none.
[[nodiscard]] bool read_interval(std::string_view text, Interval& to) noexcept;

/// The digits behind a second's point in a TIMESTAMP's unit; nullopt: it is another type.
[[nodiscard]] std::optional<int> second_digits(Type::Id id) noexcept;

}  // namespace millrace::formats
