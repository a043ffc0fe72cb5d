// Values of the binary protocol: how long they are, what they are as text.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "connectors/mysql/connection.h"

namespace millrace::mysql {

/// A value's bytes, and those that say how many they are.
struct CellSize {
  std::size_t before = 0;
  std::size_t size = 0;
};
/// Of the value of a type that begins at `at`; nullopt: it would end behind `end`, or the type is
/// unknown.
[[nodiscard]] std::optional<CellSize> size_of(enum_field_types type, const unsigned char* at,
                                              const unsigned char* end) noexcept;

/// A DATE, DATETIME or TIMESTAMP.
struct ServerMoment {
  int year = 0;
  int month = 0;
  int day = 0;
  std::int64_t micros = 0;  ///< since midnight
};
[[nodiscard]] ServerMoment moment_of(const Cell& cell) noexcept;
/// A TIME in microseconds: -838:59:59 to 838:59:59.
[[nodiscard]] std::int64_t time_of(const Cell& cell) noexcept;

/// The whole number of a cell of an integer's type, YEAR included.
[[nodiscard]] std::int64_t signed_of(enum_field_types type, const Cell& cell) noexcept;
[[nodiscard]] std::uint64_t unsigned_of(enum_field_types type, const Cell& cell) noexcept;
/// The same of either; Error if it is larger than a BIGINT.
[[nodiscard]] std::int64_t number_of(const MYSQL_FIELD& field, const Cell& cell);
/// A BIT's bytes, the highest first, as a number.
[[nodiscard]] std::uint64_t bits_of(const Cell& cell) noexcept;

/// A fixed-size value of the protocol, which is little-endian as we are.
template <class T>
[[nodiscard]] T value_of(const Cell& cell) noexcept;

/// Appends the value as the server itself would write it; bytes as they are.
void write_text(const MYSQL_FIELD& field, const Cell& cell, std::string& to);

[[nodiscard]] inline bool is_unsigned(const MYSQL_FIELD& field) noexcept {
  return (field.flags & UNSIGNED_FLAG) != 0;
}
/// Whether a text is bytes, of no character set.
[[nodiscard]] inline bool is_binary(const MYSQL_FIELD& field) noexcept {
  return field.charsetnr == 63;
}

}  // namespace millrace::mysql
