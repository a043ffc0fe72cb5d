#include "core/schema.h"

#include "base/strings.h"

namespace millrace {

Physical physical_of(const Type& type) {
  using Id = Type::Id;
  switch (type.id) {
    case Id::boolean:
      return Physical::boolean;
    case Id::i8:
      return Physical::i8;
    case Id::i16:
      return Physical::i16;
    case Id::i32:
    case Id::date:
      return Physical::i32;
    case Id::i64:
    case Id::time:
    case Id::timestamp_s:
    case Id::timestamp_ms:
    case Id::timestamp:
    case Id::timestamp_ns:
    case Id::timestamp_tz:
      return Physical::i64;
    case Id::i128:
      return Physical::i128;
    case Id::u8:
      return Physical::u8;
    case Id::u16:
      return Physical::u16;
    case Id::u32:
      return Physical::u32;
    case Id::u64:
      return Physical::u64;
    case Id::f32:
      return Physical::f32;
    case Id::f64:
      return Physical::f64;
    case Id::varchar:
    case Id::blob:
      return Physical::string;
    case Id::decimal:
      return type.precision <= 4    ? Physical::i16
             : type.precision <= 9  ? Physical::i32
             : type.precision <= 18 ? Physical::i64
                                    : Physical::i128;
    case Id::uuid:  // an i128 that nobody may take for a number
    case Id::interval:
    case Id::structure:
    case Id::list:
    case Id::map:
    case Id::other:
      return Physical::other;
  }
  return Physical::other;
}

Physical physical_of(std::string_view sql_type) { return physical_of(parse_type(trim(sql_type))); }

int Schema::find(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (equal_ignoring_case(columns[i].name, name)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

std::string Schema::text() const {
  std::string result;
  for (const Column& column : columns) {
    result += result.empty() ? "" : ", ";
    // Names that SQL would not take as they are, are written as SQL wants them.
    result += is_identifier(column.name) ? column.name : in_quotes(column.name, '"');
    result += " " + column.type;
  }
  return result;
}

}  // namespace millrace
