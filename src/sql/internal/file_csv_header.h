// Reads a CSV file's header and finds the declared columns in it, by name.
#pragma once

#include <string>
#include <vector>

#include "core/schema.h"
#include "core/source.h"
#include "sql/internal/file_csv_records.h"
#include "sql/internal/file_text.h"

namespace millrace::sql {

/// The dialect of a format in a file that begins like this. Line ends are the file's own: LF and
/// CRLF, or CR alone where there is no LF after the first CR.
[[nodiscard]] CsvDialect dialect_of(const FileFormat& format, std::string_view beginning);

/// What the fields of a file are.
struct CsvHeader {
  std::vector<int> columns;  ///< for each field, the index of its column in the schema
  std::string text;          ///< the first record, if its order is not the schema's; else empty
};

/// Reads the header, if the format has one, and leaves it out of the text. The column for corrupt
/// records is no field. Throws an Error that names the file and says which columns differ.
[[nodiscard]] CsvHeader read_header(TextFile& file, const CsvDialect& dialect, const Schema& schema,
                                    const FileFormat& format);

}  // namespace millrace::sql
