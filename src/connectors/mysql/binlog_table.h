// What the binlog says of a table, before its rows: TABLE_MAP events.
// https://mariadb.com/kb/en/table_map_event/
// https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Table__map__event.html
#pragma once

#include <mariadb/mysql.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace::mysql {

/// Types of MariaDB's that the binlog has as bytes: what they are, only the catalog says.
enum class BinlogForm : std::uint8_t { plain, uuid, inet4, inet6 };

/// A column as the rows of the binlog have it.
struct BinlogColumn {
  std::string name;
  enum_field_types type = MYSQL_TYPE_NULL;  ///< ENUM and SET by their own types
  unsigned meta = 0;                        ///< what the type needs to be known by: lengths, digits
  bool is_unsigned = false;
  unsigned charset = 63;           ///< a collation's number; 63: bytes
  std::vector<std::string> words;  ///< of an ENUM or SET
  BinlogForm form = BinlogForm::plain;
};

struct BinlogTable {
  std::string database;
  std::string name;
  std::vector<BinlogColumn> columns;
  bool has_names = false;  ///< the event said more than types: binlog_row_metadata=FULL
};

/// Reads an event's body, behind the table's number and flags. Throws Error if it is cut off.
[[nodiscard]] BinlogTable read_table_map(std::span<const unsigned char> body);

/// Goes through an event's bytes; reading past the end throws Error.
class ByteReader {
 public:
  explicit ByteReader(std::span<const unsigned char> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }
  std::span<const unsigned char> take(std::size_t count);
  /// A number of 1 to 8 bytes, the lowest first.
  std::uint64_t number(std::size_t bytes);
  /// A number that says itself how long it is.
  std::uint64_t length();
  std::string text(std::size_t bytes);

 private:
  std::span<const unsigned char> bytes_;
};

}  // namespace millrace::mysql
