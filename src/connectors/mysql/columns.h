// Columns of a result as columns of rows: which SQL type they have, and what their values become.
//
//   TINYINT ... BIGINT, UNSIGNED  TINYINT ... BIGINT, UTINYINT ... UBIGINT; MEDIUMINT is (U)INTEGER
//   FLOAT, DOUBLE                 the same
//   DECIMAL(p,s)                  the same; with more than 38 digits VARCHAR
//   DATE, DATETIME, TIMESTAMP     DATE, TIMESTAMP, TIMESTAMP WITH TIME ZONE
//   TIME                          TIME; what is no time of a day is malformed. Or INTERVAL
//   YEAR                          SMALLINT
//   BIT(1), BIT(n)                BOOLEAN, UBIGINT
//   CHAR, TEXT, ENUM, SET, JSON   VARCHAR
//   BINARY, BLOB                  BLOB
//   GEOMETRY                      BLOB: well-known binary
//   UUID, INET4, INET6            UUID, VARCHAR, VARCHAR
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "connectors/mysql/cells.h"
#include "core/chunk.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::mysql {

/// The SQL type that a column of a result has, unless another one is asked for.
[[nodiscard]] std::string sql_type_of(const MYSQL_FIELD& field);

/// Reads the values of a column.
class ColumnDecoder {
 public:
  /// Throws Error (user) if such a column can't be read as that type.
  ColumnDecoder(const MYSQL_FIELD& field, const Column& target, ZeroDates zero_dates);

  /// Writes a value. Gives why it can't be one of the column's type; empty: it is.
  [[nodiscard]] std::string_view decode(const Cell& cell, ColumnWriter& to, std::size_t row) const;

 private:
  [[nodiscard]] std::string_view decode_number(const Cell& cell, ColumnWriter& to,
                                               std::size_t row) const;
  [[nodiscard]] std::string_view decode_decimal(const Cell& cell, ColumnWriter& to,
                                                std::size_t row) const;
  [[nodiscard]] std::string_view decode_moment(const Cell& cell, ColumnWriter& to,
                                               std::size_t row) const;
  [[nodiscard]] std::string_view decode_time(const Cell& cell, ColumnWriter& to,
                                             std::size_t row) const;
  [[nodiscard]] std::string_view decode_text(const Cell& cell, ColumnWriter& to,
                                             std::size_t row) const;
  [[nodiscard]] bool can_decode() const;
  [[nodiscard]] bool can_decode_number() const;

  MYSQL_FIELD field_;  ///< less its texts, which go with the result
  Type target_;
  bool nulls_zero_dates_;
  bool is_text_;  ///< values come as text, or as bytes
};

}  // namespace millrace::mysql
