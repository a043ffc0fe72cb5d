#include "formats/avro/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::avro {

namespace {

constexpr int kColumnsMax = 10'000;  // a small schema may name a large type many times
constexpr int kDepthMax = 64;
constexpr int kPrecisionMax = 38;

using Id = Type::Id;

[[noreturn]] void fail(const std::string& place, const std::string& text) {
  throw Error(Blame::user,
              fmt::format("avro: {}{}", place.empty() ? "" : "column " + place + ": ", text));
}

/// The place of a part: names may be as long as the schema, and all parts hold them.
std::string part_of(const std::string& place, std::string_view name) {
  constexpr std::size_t kShownBytes = 100;
  return (place.empty() ? "" : place + ".") + excerpt(name, kShownBytes);
}

/// Types of values, with what is above them to find recursion.
class TypeMaker {
 public:
  Type make(const Node& node, const std::string& place) {
    if (++made_ > kColumnsMax) {
      fail(place, fmt::format("more than {} columns, nested ones counted", kColumnsMax));
    }
    if (depth_ == kDepthMax) {
      fail(place, fmt::format("columns are nested more than {} deep", kDepthMax));
    }
    depth_++;
    Type type = made_of(node, place);
    depth_--;
    return type;
  }

 private:
  Type made_of(const Node& node, const std::string& place) {
    switch (node.kind) {
      case Kind::record:
        return record(node, place);
      case Kind::union_:
        return union_of(node, place);
      case Kind::array:
        return Type{.id = Id::list, .parts = {{"", make(*node.parts[0], place + "[]")}}};
      case Kind::map:
        return Type{
            .id = Id::map,
            .parts = {{"", Type{.id = Id::varchar}}, {"", make(*node.parts[0], place + "{}")}}};
      default:
        return simple(node, place);
    }
  }

  Type record(const Node& node, const std::string& place) {
    if (std::ranges::find(open_, &node) != open_.end()) {
      fail(place, fmt::format("`{}` contains itself, and SQL has no recursive types; leave the "
                              "column out of what is read",
                              node.name));
    }
    if (node.fields.empty()) {
      fail(place, fmt::format("`{}` has no fields, and SQL has no empty STRUCT; leave the column "
                              "out of what is read",
                              node.name));
    }
    open_.push_back(&node);
    Type type{.id = Id::structure};
    std::set<std::string> seen;
    for (const Field& field : node.fields) {
      const std::string inner = part_of(place, field.name);
      if (!seen.insert(to_lower(field.name)).second) {
        fail(inner,
             "another column has the same name but for capital letters, which SQL does not "
             "look at; give a reader schema with an alias for one of them");
      }
      type.parts.push_back({field.name, make(*field.type, inner)});
    }
    open_.pop_back();
    return type;
  }

  Type union_of(const Node& node, const std::string& place) {
    const auto branches = values_of(node);
    if (branches.empty()) {
      return Type{.id = Id::varchar};
    }
    if (branches.size() == 1) {
      return make(*branches[0], place);
    }
    const auto names = branch_names(branches);
    Type type{.id = Id::structure};
    std::set<std::string> seen;
    for (std::size_t i = 0; i < branches.size(); i++) {
      if (!seen.insert(to_lower(names[i])).second) {
        fail(place, fmt::format("another branch of the union is called `{}`, too, but for capital "
                                "letters, which SQL does not look at; leave the column out of what "
                                "is read",
                                names[i]));
      }
      type.parts.push_back({names[i], make(*branches[i], part_of(place, names[i]))});
    }
    return type;
  }

  static Type simple(const Node& node, const std::string& place) {
    switch (node.logical) {
      case Logical::none:
        return Type{.id = plain(node.kind)};
      case Logical::decimal:
        if (node.precision > kPrecisionMax) {
          fail(place, fmt::format("a decimal of {} digits, and SQL has {}; declare the column as "
                                  "BLOB to have its bytes",
                                  node.precision, kPrecisionMax));
        }
        return Type{.id = Id::decimal, .precision = node.precision, .scale = node.scale};
      case Logical::date:
        return Type{.id = Id::date};
      case Logical::time_millis:
      case Logical::time_micros:
        return Type{.id = Id::time};
      case Logical::timestamp_millis:
      case Logical::timestamp_micros:
      case Logical::timestamp_nanos:
        return Type{.id = Id::timestamp_tz};
      case Logical::uuid:
        return Type{.id = Id::uuid};
      case Logical::duration:
        return Type{.id = Id::interval};
      default:
        return Type{.id = Id::timestamp};
    }
  }

  static Id plain(Kind kind) {
    switch (kind) {
      case Kind::boolean:
        return Id::boolean;
      case Kind::int_:
        return Id::i32;
      case Kind::long_:
        return Id::i64;
      case Kind::float_:
        return Id::f32;
      case Kind::double_:
        return Id::f64;
      case Kind::bytes:
      case Kind::fixed:
        return Id::blob;
      default:
        return Id::varchar;
    }
  }

  std::vector<const Node*> open_;
  int made_ = 0;
  int depth_ = 0;
};

}  // namespace

std::vector<const Node*> values_of(const Node& union_node) {
  std::vector<const Node*> values;
  std::ranges::copy_if(union_node.parts, std::back_inserter(values),
                       [](const Node* branch) { return branch->kind != Kind::null; });
  return values;
}

std::vector<std::string> branch_names(const std::vector<const Node*>& branches) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  bool unique = true;
  for (const Node* branch : branches) {
    names.emplace_back(branch->name.empty() ? word(branch->kind) : short_name(branch->name));
    unique = seen.insert(to_lower(names.back())).second && unique;
  }
  for (std::size_t i = 0; i < names.size() && !unique; i++) {
    names[i] = branches[i]->name.empty() ? names[i] : branches[i]->name;
  }
  return names;
}

Type column_type(const Node& node, const std::string& place) {
  return TypeMaker().make(node, place);
}

Type row_type(const AvroSchema& schema) {
  if (schema.root().kind != Kind::record) {
    fail("",
         fmt::format("a row is a record, and this schema is of type {}", describe(schema.root())));
  }
  return TypeMaker().make(schema.root(), "");
}

millrace::Schema columns_of(const AvroSchema& schema) {
  millrace::Schema columns;
  for (const Type::Part& part : row_type(schema).parts) {
    const std::string text = sql_text(part.type);
    columns.columns.push_back({part.name, text, physical_of(text)});
  }
  return columns;
}

Type row_type(const millrace::Schema& columns) {
  Type type{.id = Id::structure};
  for (const Column& column : columns.columns) {
    type.parts.push_back({column.name, parse_type(column.type)});
  }
  return type;
}

std::string sql_text(const Type& type) {
  constexpr std::array<std::string_view, 28> kWords{"BOOLEAN",
                                                    "TINYINT",
                                                    "SMALLINT",
                                                    "INTEGER",
                                                    "BIGINT",
                                                    "HUGEINT",
                                                    "UTINYINT",
                                                    "USMALLINT",
                                                    "UINTEGER",
                                                    "UBIGINT",
                                                    "FLOAT",
                                                    "DOUBLE",
                                                    "VARCHAR",
                                                    "BLOB",
                                                    "DATE",
                                                    "TIME",
                                                    "TIMESTAMP_S",
                                                    "TIMESTAMP_MS",
                                                    "TIMESTAMP",
                                                    "TIMESTAMP_NS",
                                                    "TIMESTAMP WITH TIME ZONE",
                                                    "INTERVAL",
                                                    "UUID",
                                                    "DECIMAL",
                                                    "STRUCT",
                                                    "LIST",
                                                    "MAP",
                                                    "a type that formats do not know"};
  static_assert(kWords.size() == static_cast<std::size_t>(Id::other) + 1);
  std::string text(kWords[static_cast<std::size_t>(type.id)]);
  if (type.id == Id::decimal) {
    return fmt::format("DECIMAL({},{})", type.precision, type.scale);
  }
  if (type.id == Id::list) {
    return sql_text(type.parts[0].type) + "[]";
  }
  if (type.parts.empty()) {
    return text;
  }
  for (const Type::Part& part : type.parts) {
    text += &part == type.parts.data() ? "(" : ", ";
    text += (type.id == Id::structure ? in_quotes(part.name, '"') + " " : "") + sql_text(part.type);
  }
  return text + ")";
}

}  // namespace millrace::avro
