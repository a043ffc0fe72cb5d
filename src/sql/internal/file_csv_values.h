// Turns the fields of a CSV file into values of a column.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// The value of one field.
struct FieldText {
  std::string_view text;  ///< without quotes and escapes
  bool quoted = false;
  bool stable = false;  ///< the text lives as long as the chunk: need not be copied
};

/// Writes the fields of one column into a vector, row by row. One a thread and column.
///
/// A number, date or the like may have spaces around it; an empty field is NULL for every type but
/// VARCHAR and BLOB, where that depends on `null_text` and the quotes.
class FieldWriter {
 public:
  virtual ~FieldWriter() = default;
  /// Begins a chunk that is written into `to`.
  virtual void begin(duckdb::Vector& to) = 0;
  /// False: the text does not fit the type, and the row stays unwritten.
  virtual bool write(duckdb::idx_t row, const FieldText& field) = 0;
  /// Takes a value back: the row turned out to be malformed.
  virtual void clear(duckdb::idx_t row) = 0;
  virtual void set_null(duckdb::idx_t row) = 0;
  /// True if some types can be decoded for a chunk at once only: then end() finds misfits.
  [[nodiscard]] virtual bool late() const noexcept { return false; }
  /// Ends a chunk of so many rows; adds the rows that do not fit the type after all.
  virtual void end(duckdb::ClientContext& context, duckdb::idx_t rows,
                   std::vector<duckdb::idx_t>& misfits) {
    (void)context, (void)rows, (void)misfits;
  }
};

[[nodiscard]] std::unique_ptr<FieldWriter> make_field_writer(const duckdb::LogicalType& type,
                                                             const FileFormat& format);

}  // namespace millrace::sql
