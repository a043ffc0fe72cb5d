// The fields of a CSV record (RFC 4180), by the rules of CSV files: quotes inside a field that does
// not begin with one are plain characters, and what follows a closing quote must be a delimiter or
// the end.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "formats/csv/options.h"

namespace millrace::csv {

/// A field as it lies in the record.
struct Field {
  std::string_view text;  ///< without the quotes around it
  bool quoted = false;
  bool escaped = false;  ///< holds escapes: see unescape()
};

/// What cut() found.
struct Fields {
  std::size_t count = 0;          ///< of all fields, also those that there was no room for
  const char* problem = nullptr;  ///< why the record is none; nullptr: it is one
};

/// Cuts a record into fields, of which the first ones are put into `into`. It may end with line
/// ends, LF or CRLF; others must be inside quotes. An empty record is one empty field.
[[nodiscard]] Fields cut(std::string_view record, const Options& options, std::span<Field> into);

/// Replaces `to` by the value of a field that has `escaped` set.
void unescape(std::string_view field, const Options& options, std::string& to);

/// Puts quotes around what stands behind `begin`, and escapes into it, if it would not be read back
/// as it is.
void quote_if_needed(std::size_t begin, const Options& options, std::string& to);

}  // namespace millrace::csv
