// Dates and times as ISO 8601 writes them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

// What DuckDB's types hold; beyond it lie its infinities, and casts that throw.

/// The last day of a DATE; the first is its opposite.
inline constexpr std::int64_t kDateMax = 2'147'483'646;
/// The first and the last microsecond of a TIMESTAMP; kMicrosMax is also the last of a _NS.
inline constexpr std::int64_t kMicrosMin = -9'223'372'022'400'000'000;
inline constexpr std::int64_t kMicrosMax = std::numeric_limits<std::int64_t>::max() - 1;

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
/// TIMESTAMP (6) and _NS (9) are kept. False: DuckDB's type has no such value.
[[nodiscard]] bool to_unit(const Moment& moment, int digits, std::int64_t& to) noexcept;

/// The same of a text, as read_moment() reads it; nullopt: it is no moment, or out of range.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text,
                                                          int digits) noexcept;

/// Appends "2024-02-29"; false: the year is not one of 0000 to 9999.
[[nodiscard]] bool write_date(std::int64_t days, std::string& to);
/// Appends "23:59:59" and, if it isn't 0, a fraction of `digits` digits.
void write_time(std::int64_t units, int digits, std::string& to);
/// Appends "2024-02-29T23:59:59.123"; false: the year is not one of 0000 to 9999.
[[nodiscard]] bool write_moment(std::int64_t units, int digits, std::string& to);

}  // namespace millrace
