// Values of columns as CQL's bytes (native_protocol_v5.spec, section 5). What a type can't hold is
// refused; nothing is rounded but the time of day within a millisecond of a `timestamp`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "connectors/cassandra/protocol/cql_type.h"
#include "core/chunk.h"
#include "core/type.h"

namespace millrace::cassandra {

/// Encodes the values of one column, or of a part of one. Immutable.
class ToCql {
 public:
  /// nullopt: values of `from` are no values of `to`.
  [[nodiscard]] static std::optional<ToCql> make(const Type& from, const CqlType& to);

  /// Appends a value with its length; a NULL, too. A text: why the value is none of the type, and
  /// `to` is of no use.
  [[nodiscard]] std::optional<std::string> write(const ColumnView& column, std::size_t row,
                                                 std::string& to) const;

 private:
  using Why = std::optional<std::string>;

  ToCql(Type from, CqlType to) : from_(std::move(from)), to_(std::move(to)) {}

  static bool is_convertible(const Type& from, const CqlType& to);
  static std::optional<ToCql> make_nested(const Type& from, const CqlType& to);

  Why write_value(const ColumnView& column, std::size_t row, std::string& to) const;
  Why write_number(const ColumnView& column, std::size_t row, std::string& to) const;
  Why write_text(std::string_view text, std::string& to) const;
  Why write_time(const ColumnView& column, std::size_t row, std::string& to) const;
  Why write_list(const ColumnView& column, std::size_t row, std::string& to) const;
  Why write_fields(const ColumnView& column, std::size_t row, std::string& to) const;

  Type from_;   // without its parts
  CqlType to_;  // without its parts
  std::vector<ToCql> parts_;
  std::vector<int> places_;  // of a tuple's or UDT's fields among those of the STRUCT; -1: NULL
};

/// The CQL type that a table made for a column has; empty: there is none.
[[nodiscard]] std::string cql_type_for(const Type& type);

}  // namespace millrace::cassandra
