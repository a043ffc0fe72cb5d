// Values of the binlog's rows, as the binary protocol would have them.
// https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/cells.h"
#include "connectors/mysql/charset.h"

namespace millrace::mysql {

/// How the binary protocol would describe a column, for who decodes its values.
[[nodiscard]] MYSQL_FIELD field_of(const BinlogColumn& column);
/// Appends a DECIMAL's digits; false: its bytes are not those of such a number.
[[nodiscard]] bool write_decimal(unsigned precision, unsigned scale,
                                 std::span<const unsigned char> value, std::string& to);

/// One image of a row: the values of those columns that it has.
class ImageReader {
 public:
  explicit ImageReader(const BinlogTable& table) : table_(table), room_(table.columns.size()) {}

  /// Reads an image off the front of `bytes`, valid until the next call of this reader. `present`:
  /// a bit for each column, the lowest first; of others the cell is NULL.
  [[nodiscard]] std::span<const Cell> read(ByteReader& bytes,
                                           std::span<const unsigned char> present);
  /// The same, without looking at the values.
  void skip(ByteReader& bytes, std::span<const unsigned char> present) const;

 private:
  const BinlogTable& table_;
  Charsets charsets_;
  std::vector<Cell> cells_;
  std::vector<std::string> room_;  ///< values that look otherwise than in the binlog
};

}  // namespace millrace::mysql
