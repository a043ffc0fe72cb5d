// Single values as text, as CSV files have them:
//   BOOLEAN                    true or false; read in any case, also t and f
//   numbers, HUGEINT, DECIMAL  as JSON's, also +1, 007, .5 and 5.; digits that a DECIMAL has no
//                              room for are rounded; nan, inf and -inf for FLOAT and DOUBLE
//   DATE, TIME, TIMESTAMP...   ISO 8601, or in a format of their own
//   BLOB                       bytes that are no plain characters of ASCII as \xFF
//   INTERVAL                   14 months 3 days 04:05:06.5
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/chunk.h"
#include "core/type.h"
#include "formats/csv/options.h"
#include "formats/csv/time_format.h"
#include "formats/json/numbers.h"
#include "formats/json/plan.h"

namespace millrace::csv {

/// How times are written where that is not ISO 8601.
struct TimeFormats {
  /// Throws Error (user) for patterns that can't be used.
  explicit TimeFormats(const Options& options);
  TimeFormats() = default;
  std::optional<TimeFormat> timestamp;  ///< for TIMESTAMP of all units, and with time zone
  std::optional<TimeFormat> date;
};

/// Whether values of a type have a text: it is not nested, and no ENUM or UNION.
[[nodiscard]] bool has_text(const Type& type) noexcept;

/// Puts a text, valid UTF-8, into row `row` of a column whose type has_text(). `scratch` is used
/// for a while.
[[nodiscard]] json::Fault put_text(const json::PlanNode& column, std::size_t row,
                                   std::string_view text, const TimeFormats& formats,
                                   std::string& scratch);

/// Appends a value that is not NULL, of a type that has_text(). False: it has none, as it is
/// infinite or its year is not one of 0000 to 9999.
[[nodiscard]] bool write_text(const Type& type, const ColumnView& column, std::size_t row,
                              const TimeFormats& times, std::string& to);

}  // namespace millrace::csv
