// Times in a form that somebody else has chosen, in the words of strptime and strftime.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/times.h"

namespace millrace::csv {

/// A pattern such as "%d.%m.%Y %H:%M". Its words:
///   %Y %y %m %b %B %d %j      year (4 and 2 digits), month (number, Jan, January), day, day of
///   year %a %A                     weekday (Mon, Monday), which is passed over when it is read %H
///   %I %p %M %S            hours of 24 and of 12, AM or PM, minutes, seconds %g %f %n a fraction
///   of a second: 3, 6 and 9 digits %z                        +0200, +02:00, +02 or Z %x %X %c %%
///   %Y-%m-%d, %H:%M:%S, both with a space between, and a percent sign
/// %-d and the like are written without leading zeros; read, all may do without them.
class TimeFormat {
 public:
  /// Throws Error (user) for other words.
  explicit TimeFormat(std::string_view pattern);

  /// False: the text has another form, or there is no such time. Parts that the pattern does not
  /// have are those of 1970-01-01T00:00:00Z.
  [[nodiscard]] bool read(std::string_view text, Moment& to) const noexcept;
  /// Appends a moment, given in units of 10^-digits of a second since 1970; false: its year is not
  /// one of 0000 to 9999.
  [[nodiscard]] bool write(std::int64_t units, int digits, std::string& to) const;

 private:
  struct Step {
    char word = 0;  ///< 0: `literal` stands there
    bool padded = true;
    std::string literal;
  };
  void add(std::string_view pattern);

  std::vector<Step> steps_;
};

}  // namespace millrace::csv
