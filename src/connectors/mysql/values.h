// Values of rows as parameters of statements.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/connection.h"
#include "core/chunk.h"
#include "core/schema.h"
#include "core/type.h"

namespace millrace::mysql {

/// Where a value lies that is not as the protocol has it in the chunk itself.
struct ValueRoom {
  MYSQL_TIME time{};
  std::string text;
};

/// Binds the values of a column.
class ColumnEncoder {
 public:
  /// Throws Error (user) if no column of a table can hold such a type.
  explicit ColumnEncoder(const Column& column);

  /// Points `to` at a value, in the chunk or in `room`; both must stay until the statement has run.
  /// Gives why there is no such value in a table; empty: there is.
  [[nodiscard]] std::string_view bind(const ColumnView& column, std::size_t row, MYSQL_BIND& to,
                                      ValueRoom& room) const;
  /// About how many bytes a bound value takes on its way.
  [[nodiscard]] static std::size_t size_of(const MYSQL_BIND& bound) noexcept {
    return bound.buffer_length + 16;
  }

 private:
  Type type_;
};

/// The type that a column of a new table gets; `is_key`: an index has to hold it.
[[nodiscard]] std::string column_type_of(const Column& column, bool is_key, bool is_mariadb);

}  // namespace millrace::mysql
