// Avro types as SQL types, and back.
//
//   null                     VARCHAR, always NULL      date                    DATE
//   boolean                  BOOLEAN                   time-millis, -micros    TIME
//   int, long                INTEGER, BIGINT           timestamp-*             TIMESTAMP WITH TIME
//   ZONE float, double            FLOAT, DOUBLE             local-timestamp-*       TIMESTAMP
//   string, enum             VARCHAR                   uuid                    UUID
//   bytes, fixed             BLOB                      duration                INTERVAL
//   array, map               T[], MAP(VARCHAR, T)      decimal                 DECIMAL(p,s), p <=
//   38 record                   STRUCT                    [null, T]               T [null, A, B]
//   STRUCT with a field for each branch, named by type, all NULL but one
//
// Nanoseconds are rounded down to microseconds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/schema.h"
#include "core/type.h"
#include "formats/avro/schema.h"

namespace millrace::avro {

/// The row that a record is: a STRUCT of its columns. Throws Error (user) that names the column for
/// what SQL has no type for: recursive types, decimals of more than 38 digits, records without
/// fields, more than 10,000 columns with nested ones, and a root that is no record.
[[nodiscard]] Type row_type(const AvroSchema& schema);
/// The same as columns.
[[nodiscard]] millrace::Schema columns_of(const AvroSchema& schema);
/// The type of one value. `place` is its column, for messages.
[[nodiscard]] Type column_type(const Node& node, const std::string& place);

/// The branches of a union that are not null.
[[nodiscard]] std::vector<const Node*> values_of(const Node& union_node);
/// What the fields are called that several branches become: their types' names, full ones where the
/// short ones are not enough.
[[nodiscard]] std::vector<std::string> branch_names(const std::vector<const Node*>& branches);

/// A type in SQL's words. Names of fields are always quoted.
[[nodiscard]] std::string sql_text(const Type& type);
/// A row's type out of columns. Columns of types that core/type.h does not know are Id::other.
[[nodiscard]] Type row_type(const millrace::Schema& columns);

/// The schema for writing columns: a record of this full name in which all may be null. Throws
/// Error (user) for names that Avro does not take and types that it has no word for.
[[nodiscard]] AvroSchema record_schema(const millrace::Schema& columns, std::string_view name);

}  // namespace millrace::avro
