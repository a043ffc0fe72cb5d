// Dates and times as ISO 8601 writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/json/numbers.h"

namespace millrace::json {

/// A moment, as a text or a number gave it.
struct Moment {
  std::int64_t seconds = 0;  ///< since 1970-01-01 UTC, rounded down
  std::int32_t nanos = 0;    ///< behind the second: 0 to 999,999,999
  bool has_offset = false;   ///< its text said Z or +02:00; else it was taken as UTC
  bool has_time = false;     ///< it is not a date alone
};

/// Days since 1970-01-01 of "2024-02-29"; years are 0000 to 9999.
[[nodiscard]] bool read_date(std::string_view text, std::int32_t& days) noexcept;
/// Microseconds since midnight of "23:59", "23:59:59", "23:59:59.123456789".
[[nodiscard]] bool read_time(std::string_view text, std::int64_t& micros) noexcept;
/// A date, or a date, 'T' or a space, a time, and perhaps Z, +02, +0200 or +02:00.
[[nodiscard]] bool read_moment(std::string_view text, Moment& to) noexcept;

/// A moment in units of 10^-digits of a second, rounded down: as TIMESTAMP_S (0), _MS (3),
/// TIMESTAMP (6) and _NS (9) are kept. Fault::range: DuckDB's type has no such value.
[[nodiscard]] Fault to_unit(const Moment& moment, int digits, std::int64_t& to) noexcept;

/// Appends "2024-02-29"; false: the year is not one of 0000 to 9999.
[[nodiscard]] bool write_date(std::int64_t days, std::string& to);
/// Appends "23:59:59" and, if it isn't 0, a fraction of `digits` digits.
void write_time(std::int64_t units, int digits, std::string& to);
/// Appends "2024-02-29T23:59:59.123"; false: the year is not one of 0000 to 9999.
[[nodiscard]] bool write_moment(std::int64_t units, int digits, std::string& to);

}  // namespace millrace::json
