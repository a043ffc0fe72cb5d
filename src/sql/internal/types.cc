#include "sql/internal/types.h"

#include <charconv>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>

namespace millrace::sql {

using duckdb::LogicalTypeId;

namespace {

/// "DECIMAL(12,2)" without DuckDB's parser; nullopt for any other text.
std::optional<duckdb::LogicalType> decimal_of(std::string_view text) {
  constexpr std::string_view kStart = "DECIMAL(";
  if (!text.starts_with(kStart)) {
    return std::nullopt;
  }
  std::uint8_t width = 0;
  std::uint8_t scale = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data() + kStart.size(), end, width);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ',') {
    return std::nullopt;
  }
  const auto second = std::from_chars(first.ptr + 1, end, scale);
  if (second.ec != std::errc() || std::string_view(second.ptr, end) != ")") {
    return std::nullopt;
  }
  return duckdb::LogicalType::DECIMAL(width, scale);
}

/// Parses nested types. DuckDB binds type names in a catalog, so this takes a small database, alive
/// for the moment only: one that lived as long as the process would die after what it needs.
duckdb::LogicalType parse_type(const std::string& text) {
  static std::mutex lock;
  static std::map<std::string, duckdb::LogicalType> known;
  const std::lock_guard guard(lock);
  if (const auto found = known.find(text); found != known.end()) {
    return found->second;
  }
  duckdb::DBConfig config;
  config.options.maximum_threads = 1;
  duckdb::DuckDB duck(nullptr, &config);
  duckdb::Connection connection(duck);
  duckdb::LogicalType type;
  connection.context->RunFunctionInTransaction(
      [&] { type = duckdb::TransformStringToLogicalType(text, *connection.context); });
  return known.emplace(text, std::move(type)).first->second;
}

}  // namespace

static_assert(sizeof(StringRef) == sizeof(duckdb::string_t), "core/chunk.h mirrors string_t");
static_assert(duckdb::string_t::INLINE_LENGTH == 12, "core/chunk.h mirrors string_t");
static_assert(kChunkRows == STANDARD_VECTOR_SIZE, "core/chunk.h knows the size of a vector");

Physical physical_of(const duckdb::LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BLOB:
    case LogicalTypeId::VARCHAR:
      return Physical::string;
    // Stored as integers or strings that mean something else: a connector must not take them for
    // what they look like.
    case LogicalTypeId::ENUM:
    case LogicalTypeId::UUID:
    case LogicalTypeId::BIT:
    case LogicalTypeId::UHUGEINT:
      return Physical::other;
    default:
      break;
  }
  switch (type.InternalType()) {
    case duckdb::PhysicalType::BOOL:
      return Physical::boolean;
    case duckdb::PhysicalType::INT8:
      return Physical::i8;
    case duckdb::PhysicalType::INT16:
      return Physical::i16;
    case duckdb::PhysicalType::INT32:
      return Physical::i32;
    case duckdb::PhysicalType::INT64:
      return Physical::i64;
    case duckdb::PhysicalType::INT128:
      return Physical::i128;
    case duckdb::PhysicalType::UINT8:
      return Physical::u8;
    case duckdb::PhysicalType::UINT16:
      return Physical::u16;
    case duckdb::PhysicalType::UINT32:
      return Physical::u32;
    case duckdb::PhysicalType::UINT64:
      return Physical::u64;
    case duckdb::PhysicalType::FLOAT:
      return Physical::f32;
    case duckdb::PhysicalType::DOUBLE:
      return Physical::f64;
    default:
      return Physical::other;
  }
}

Column column_of(const std::string& name, const duckdb::LogicalType& type) {
  return {.name = name, .type = type.ToString(), .physical = physical_of(type)};
}

Schema schema_of(const duckdb::vector<duckdb::string>& names,
                 const duckdb::vector<duckdb::LogicalType>& types) {
  Schema schema;
  for (std::size_t i = 0; i < names.size(); ++i) {
    schema.columns.push_back(column_of(names[i], types[i]));
  }
  return schema;
}

duckdb::LogicalType type_of(const std::string& text) {
  if (const auto decimal = decimal_of(text)) {
    return *decimal;
  }
  const LogicalTypeId id = duckdb::TransformStringToLogicalTypeId(text);
  // Types with parameters are no single word, except these, whose bare names mean a default.
  if (id != LogicalTypeId::UNBOUND && id != LogicalTypeId::DECIMAL && id != LogicalTypeId::ENUM) {
    const duckdb::LogicalType type(id);
    if (!type.IsNested()) {
      return type;
    }
  }
  return parse_type(text);
}

duckdb::vector<duckdb::LogicalType> types_of(const Schema& schema) {
  duckdb::vector<duckdb::LogicalType> types;
  for (const Column& column : schema.columns) {
    types.push_back(type_of(column.type));
  }
  return types;
}

}  // namespace millrace::sql
