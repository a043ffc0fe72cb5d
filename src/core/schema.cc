#include "core/schema.h"

#include <array>
#include <utility>

#include "base/strings.h"

namespace millrace {
namespace {

Physical physical_of_decimal(std::string_view type) {
  // DECIMAL alone is DECIMAL(18,3), as in DuckDB.
  std::int64_t width = 18;
  if (const std::size_t open = type.find('('); open != std::string_view::npos) {
    const std::string_view digits =
        type.substr(open + 1, type.find_first_of(",)", open) - open - 1);
    width = parse_integer(trim(digits)).value_or(0);
  }
  if (width < 1 || width > 38) {
    return Physical::other;
  }
  return width <= 4    ? Physical::i16
         : width <= 9  ? Physical::i32
         : width <= 18 ? Physical::i64
                       : Physical::i128;
}

}  // namespace

Physical physical_of(std::string_view sql_type) {
  // The names as DuckDB prints them; parse_schema() has turned INT, STRING and the like into them.
  constexpr std::array kTypes = std::to_array<std::pair<std::string_view, Physical>>({
      {"BOOLEAN", Physical::boolean},
      {"TINYINT", Physical::i8},
      {"SMALLINT", Physical::i16},
      {"INTEGER", Physical::i32},
      {"BIGINT", Physical::i64},
      {"HUGEINT", Physical::i128},
      {"UTINYINT", Physical::u8},
      {"USMALLINT", Physical::u16},
      {"UINTEGER", Physical::u32},
      {"UBIGINT", Physical::u64},
      {"FLOAT", Physical::f32},
      {"DOUBLE", Physical::f64},
      {"VARCHAR", Physical::string},
      {"BLOB", Physical::string},
      {"DATE", Physical::i32},
      {"TIME", Physical::i64},
      {"TIMESTAMP", Physical::i64},
      {"TIMESTAMP_S", Physical::i64},
      {"TIMESTAMP_MS", Physical::i64},
      {"TIMESTAMP_NS", Physical::i64},
      {"TIMESTAMP WITH TIME ZONE", Physical::i64},
      {"TIMESTAMPTZ", Physical::i64},
  });
  const std::string_view type = trim(sql_type);
  for (const auto& [name, physical] : kTypes) {
    if (equal_ignoring_case(name, type)) {
      return physical;
    }
  }
  const std::string lowered = to_lower(type);
  // DECIMAL(12,2)[] is a list.
  if ((lowered == "decimal" || lowered.starts_with("decimal(")) && !lowered.ends_with(']')) {
    return physical_of_decimal(lowered);
  }
  return Physical::other;
}

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
    if (is_identifier(column.name)) {
      result += column.name;
    } else {
      result += '"';
      for (const char c : column.name) {
        result += c == '"' ? "\"\"" : std::string(1, c);
      }
      result += '"';
    }
    result += " " + column.type;
  }
  return result;
}

}  // namespace millrace
