// How a CSV record is written: the same words as for files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/options.h"

namespace millrace::csv {

/// Characters are ASCII.
struct Options {
  char delimiter = ',';
  char quote = '"';
  char escape = '"';
  std::string null_text;         ///< a field without quotes that reads so is NULL
  std::string timestamp_format;  ///< strptime; empty: ISO 8601
  std::string date_format;

  /// As options of a T that has them; `of` gives them.
  template <class T, class Of>
  [[nodiscard]] static std::vector<Option<T>> options(Of of);
};

/// Throws Error (user) for characters that can't be told from one another or from line ends, and
/// for a `null_text` that no field without quotes can be.
void check(const Options& options);

template <class T, class Of>
std::vector<Option<T>> Options::options(Of of) {
  return {
      Option<T>{[of](T& o) -> auto& { return of(o).delimiter; }, "delimiter",
                "CSV: what stands between fields."},
      Option<T>{[of](T& o) -> auto& { return of(o).quote; }, "quote",
                "CSV: what stands around fields that hold delimiters or line ends."},
      Option<T>{[of](T& o) -> auto& { return of(o).escape; }, "escape",
                "CSV: what stands before a quote inside quotes."},
      Option<T>{[of](T& o) -> auto& { return of(o).null_text; }, "null_value",
                "CSV: a field without quotes that reads so is NULL."}
          .default_text("an empty field"),
      Option<T>{[of](T& o) -> auto& { return of(o).timestamp_format; }, "timestamp_format",
                "CSV: how timestamps are written, in strptime's words."}
          .default_text("ISO 8601")
          .example("%d.%m.%Y %H:%M"),
      Option<T>{[of](T& o) -> auto& { return of(o).date_format; }, "date_format",
                "CSV: how dates are written, in strptime's words."}
          .default_text("ISO 8601")
          .example("%d.%m.%Y"),
  };
}

}  // namespace millrace::csv
