// Values of CQL (native_protocol_v5.spec, section 5) as values of columns.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/cassandra/protocol/cql_type.h"
#include "core/chunk.h"
#include "core/type.h"

namespace millrace::cassandra {

/// Decodes the values of one column, or of a part of one. Immutable.
class FromCql {
 public:
  /// nullopt: there is no way from one to the other.
  [[nodiscard]] static std::optional<FromCql> make(const CqlType& from, const Type& to);

  /// Fills a row; nullopt bytes are NULL. A text: why the value is none of the column's type, and
  /// the row is filled half way (see ColumnWriter::forget()).
  [[nodiscard]] std::optional<std::string> read(std::optional<std::string_view> bytes,
                                                ColumnWriter& to, std::size_t row) const;

 private:
  using Why = std::optional<std::string>;

  FromCql(CqlType from, Type to) : from_(std::move(from)), to_(std::move(to)) {}

  static bool is_convertible(const CqlType& from, const Type& to);

  Why read_value(std::string_view bytes, ColumnWriter& to, std::size_t row) const;
  Why read_whole(std::string_view bytes, ColumnWriter& to, std::size_t row) const;
  Why read_decimal(std::string_view bytes, ColumnWriter& to, std::size_t row) const;
  Why read_time(std::string_view bytes, ColumnWriter& to, std::size_t row) const;
  Why read_list(std::string_view bytes, ColumnWriter& to, std::size_t row) const;
  Why read_fields(std::string_view bytes, ColumnWriter& to, std::size_t row) const;

  CqlType from_;  // without its parts
  Type to_;       // without its parts
  std::vector<FromCql> parts_;
};

/// The SQL type of a column that nobody has said anything about: "DECIMAL(38,10)".
[[nodiscard]] std::string sql_type_for(const CqlType& type);

/// A value as a person wrote it ("17", "2024-02-29", "ann") in CQL's bytes, without a length;
/// nullopt: it is none of this type, or of a type that has no such text.
[[nodiscard]] std::optional<std::string> parse_value(const CqlType& type, std::string_view text);

}  // namespace millrace::cassandra
