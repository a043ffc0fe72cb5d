#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/columns.h"

namespace millrace::avro {

namespace {

using Id = Type::Id;

Json logical(std::string_view type, std::string_view name) {
  return {{"type", type}, {"logicalType", name}};
}

Json decimal(int precision, int scale) {
  Json json = logical("bytes", "decimal");
  json["precision"] = precision;
  json["scale"] = scale;
  return json;
}

Json nullable(Json type) { return Json::array({"null", std::move(type)}); }

Json type_json(const Type& type, const std::string& path);

/// Named types are called by their place, which makes the names unique. In no namespace may one be
/// called as a built-in type is.
std::string name_of(const std::string& path) {
  constexpr std::array kBuiltIn{Kind::null,   Kind::boolean, Kind::int_,  Kind::long_,
                                Kind::float_, Kind::double_, Kind::bytes, Kind::string};
  const bool is_taken = std::ranges::any_of(
      kBuiltIn, [last = short_name(path)](Kind kind) { return word(kind) == last; });
  return is_taken ? path + ".type" : path;
}

Json record_json(const Type& type, const std::string& name) {
  Json fields = Json::array();
  for (const Type::Part& part : type.parts) {
    if (!is_identifier(part.name)) {
      throw Error(Blame::user,
                  fmt::format("avro: column `{}` of {}: Avro's names have only letters, digits and "
                              "_; rename the column with AS",
                              part.name, name));
    }
    fields.push_back({{"name", part.name},
                      {"type", nullable(type_json(part.type, name + "." + part.name))},
                      {"default", nullptr}});
  }
  Json json{{"type", "record"}, {"name", name}, {"fields", std::move(fields)}};
  if (!name.contains('.')) {
    json["namespace"] = "";
  }
  return json;
}

Json time_json(Id id) {
  switch (id) {
    case Id::date:
      return logical("int", "date");
    case Id::time:
      return logical("long", "time-micros");
    case Id::timestamp_s:
    case Id::timestamp_ms:
      return logical("long", "local-timestamp-millis");
    case Id::timestamp:
      return logical("long", "local-timestamp-micros");
    case Id::timestamp_ns:
      return logical("long", "local-timestamp-nanos");
    default:
      return logical("long", "timestamp-micros");
  }
}

Json type_json(const Type& type, const std::string& path) {
  switch (type.id) {
    case Id::boolean:
      return "boolean";
    case Id::i8:
    case Id::i16:
    case Id::i32:
    case Id::u8:
    case Id::u16:
      return "int";
    case Id::i64:
    case Id::u32:
      return "long";
    case Id::u64:
      return decimal(20, 0);
    case Id::i128:
      return decimal(38, 0);  // a 39th digit is possible, and refused row by row
    case Id::decimal:
      return decimal(type.precision, type.scale);
    case Id::f32:
      return "float";
    case Id::f64:
      return "double";
    case Id::varchar:
      return "string";
    case Id::blob:
      return "bytes";
    case Id::uuid:
      return logical("string", "uuid");
    case Id::interval:
      return {
          {"type", "fixed"}, {"name", name_of(path)}, {"size", 12}, {"logicalType", "duration"}};
    case Id::list:
      return {{"type", "array"}, {"items", nullable(type_json(type.parts[0].type, path))}};
    case Id::structure:
      return record_json(type, name_of(path));
    case Id::map:
      if (type.parts[0].type.id == Id::varchar) {
        return {{"type", "map"}, {"values", nullable(type_json(type.parts[1].type, path))}};
      }
      throw Error(
          Blame::user,
          fmt::format("avro: {}: keys of Avro's maps are texts, not {}; cast them to VARCHAR", path,
                      sql_text(type.parts[0].type)));
    case Id::other:
      throw Error(Blame::user, fmt::format("avro: {}: Avro has no type for this column's; cast it "
                                           "to VARCHAR",
                                           path));
    default:
      return time_json(type.id);
  }
}

}  // namespace

AvroSchema record_schema(const millrace::Schema& columns, std::string_view name) {
  return parse_schema(record_json(row_type(columns), std::string(name)).dump());
}

}  // namespace millrace::avro
