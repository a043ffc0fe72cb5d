#include "connectors/cassandra/protocol/cql_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"

namespace millrace::cassandra {

namespace {

using Id = CqlType::Id;

// Who walks through a type does so by recursion.
constexpr int kDepthMax = 32;
constexpr std::int64_t kDimensionMax = 8192;

constexpr auto kNative = std::to_array<std::pair<std::string_view, Id>>({
    {"ascii", Id::ascii},         {"bigint", Id::bigint},   {"blob", Id::blob},
    {"boolean", Id::boolean},     {"counter", Id::counter}, {"decimal", Id::decimal},
    {"double", Id::double_},      {"float", Id::float_},    {"int", Id::int_},
    {"timestamp", Id::timestamp}, {"uuid", Id::uuid},       {"text", Id::varchar},
    {"varchar", Id::varchar},     {"varint", Id::varint},   {"timeuuid", Id::timeuuid},
    {"inet", Id::inet},           {"date", Id::date},       {"time", Id::time},
    {"smallint", Id::smallint},   {"tinyint", Id::tinyint}, {"duration", Id::duration},
});

/// Classes of the elements of vectors, as the server names them.
constexpr auto kElementClasses = std::to_array<std::pair<std::string_view, Id>>({
    {"FloatType", Id::float_},
    {"DoubleType", Id::double_},
    {"Int32Type", Id::int_},
    {"LongType", Id::bigint},
});

/// "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType, 3)"
CqlType read_class(std::string_view name) {
  CqlType type{.id = Id::custom, .name = std::string(name)};
  constexpr std::string_view kPackage = "org.apache.cassandra.db.marshal.";
  std::string text(name);
  for (auto at = text.find(kPackage); at != std::string::npos; at = text.find(kPackage)) {
    text.erase(at, kPackage.size());
  }
  if (!text.starts_with("VectorType(") || !text.ends_with(')')) {
    return type;
  }
  const auto inner = std::string_view(text).substr(11, text.size() - 12);
  const auto pieces = split(inner, ',');
  const auto dimension = pieces.size() == 2 ? parse_integer(trim(pieces[1])) : std::nullopt;
  const auto* const element =
      std::ranges::find(kElementClasses, trim(pieces[0]), &std::pair<std::string_view, Id>::first);
  if (!dimension || *dimension < 1 || *dimension > kDimensionMax ||
      element == kElementClasses.end()) {
    return type;
  }
  type.id = Id::vector;
  type.dimension = static_cast<std::int32_t>(*dimension);
  type.parts.push_back({.id = element->second});
  return type;
}

CqlType read(WireReader& from, int depth) {
  if (depth > kDepthMax) {
    throw BadFrame("a type that is nested too deep");
  }
  CqlType type{.id = static_cast<Id>(from.short_number())};
  std::size_t parts = 0;
  switch (type.id) {
    case Id::custom:
      return read_class(from.string());
    case Id::list:
    case Id::set:
      parts = 1;
      break;
    case Id::map:
      parts = 2;
      break;
    case Id::tuple:
      parts = from.short_number();
      break;
    case Id::udt:
      (void)from.string();  // the keyspace
      type.name = quoted_name(from.string());
      parts = from.short_number();
      break;
    default:
      if (std::ranges::find(kNative, type.id, &std::pair<std::string_view, Id>::second) ==
          kNative.end()) {
        throw BadFrame(fmt::format("type number {}", static_cast<int>(type.id)));
      }
  }
  for (std::size_t i = 0; i < parts; ++i) {
    if (type.id == Id::udt) {
      type.fields.emplace_back(from.string());
    }
    type.parts.push_back(read(from, depth + 1));
  }
  return type;
}

}  // namespace

CqlType read_type(WireReader& from) { return read(from, 0); }

CqlType::Id native_type(std::string_view name) {
  const auto* const found = std::ranges::find_if(
      kNative, [&](const auto& each) { return equal_ignoring_case(each.first, name); });
  return found == kNative.end() ? Id::custom : found->second;
}

std::string quoted_name(std::string_view name) { return in_quotes(name, '"'); }

std::string type_text(const CqlType& type, bool nested) {
  const auto* const native =
      std::ranges::find(kNative, type.id, &std::pair<std::string_view, Id>::second);
  if (native != kNative.end()) {
    return std::string(native->first);
  }
  std::vector<std::string> parts;
  parts.reserve(type.parts.size());
  for (const auto& part : type.parts) {
    parts.push_back(type_text(part, true));
  }
  const auto inner = join(parts, ", ");
  std::string text;
  switch (type.id) {
    case Id::list:
      text = fmt::format("list<{}>", inner);
      break;
    case Id::set:
      text = fmt::format("set<{}>", inner);
      break;
    case Id::map:
      text = fmt::format("map<{}>", inner);
      break;
    case Id::tuple:
      text = fmt::format("tuple<{}>", inner);
      break;
    case Id::vector:
      return fmt::format("vector<{}, {}>", inner, type.dimension);
    case Id::udt:
      text = type.name;
      break;
    default:
      return in_quotes(type.name, '\'');
  }
  return nested ? fmt::format("frozen<{}>", text) : text;
}

std::size_t fixed_size(const CqlType& type) {
  switch (type.id) {
    case Id::float_:
    case Id::int_:
      return 4;
    case Id::double_:
    case Id::bigint:
      return 8;
    default:
      return 0;
  }
}

}  // namespace millrace::cassandra
