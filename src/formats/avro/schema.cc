#include "formats/avro/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/logical.h"

namespace millrace::avro {

namespace {

constexpr int kDepthMax = 64;
constexpr int kJsonDepthMax = 400;  // copies and texts of JSON are made by recursion
constexpr std::array kPrimitives{Kind::null,   Kind::boolean, Kind::int_,  Kind::long_,
                                 Kind::float_, Kind::double_, Kind::bytes, Kind::string};

std::optional<Kind> primitive(std::string_view text) {
  for (const Kind kind : kPrimitives) {
    if (word(kind) == text) {
      return kind;
    }
  }
  return std::nullopt;
}

bool is_full_name(std::string_view text) {
  return std::ranges::all_of(split(text, '.'), is_identifier);
}

/// How deep brackets are nested in a JSON text, which need not be valid.
int json_depth(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); i++) {
    const char c = json[i];
    if (in_text) {
      i += c == '\\' ? 1 : 0;
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return deepest;
}

/// The beginning of a value's JSON, for messages.
std::string shown(const Json& json) { return excerpt(json.dump(), 80); }

}  // namespace

/// Reads one schema. `at` is the place in the JSON, `space` the namespace around it.
class SchemaParser {
 public:
  explicit SchemaParser(Names names) : names_(names) {}

  AvroSchema parse(const Json& json) {
    schema_.root_ = type(json, "", "", 0);
    return std::move(schema_);
  }

 private:
  [[noreturn]] static void fail(const std::string& at, const std::string& text) {
    throw Error(Blame::user,
                fmt::format("avro schema: {}{}", at.empty() ? "" : "at " + at + ": ", text));
  }

  const Node* type(const Json& json, const std::string& space, const std::string& at, int depth) {
    if (depth > kDepthMax) {
      fail(at, fmt::format("types are nested more than {} deep", kDepthMax));
    }
    if (json.is_string()) {
      return reference(json.get_ref<const std::string&>(), space, at);
    }
    if (json.is_array()) {
      return union_of(json, space, at, depth);
    }
    if (!json.is_object()) {
      fail(at, fmt::format("expected a type (a name, an object or a list), found {}", shown(json)));
    }
    const auto found = json.find("type");
    if (found == json.end()) {
      fail(at, "an object without `type`");
    }
    if (!found->is_string()) {
      return type(*found, space, at + ".type", depth + 1);
    }
    return definition(found->get_ref<const std::string&>(), json, space, at, depth);
  }

  const Node* definition(const std::string& kind, const Json& json, const std::string& space,
                         const std::string& at, int depth) {
    if (const auto simple = primitive(kind)) {
      Node& node = add(*simple);
      read_logical(json, node);
      return &node;
    }
    if (kind == "record" || kind == "error") {
      return record(json, space, at, depth);
    }
    if (kind == "enum") {
      return enumeration(json, space, at);
    }
    if (kind == "fixed") {
      return fixed(json, space, at);
    }
    if (kind == "array" || kind == "map") {
      const std::string part = kind == "array" ? "items" : "values";
      Node& node = add(kind == "array" ? Kind::array : Kind::map);
      node.parts.push_back(
          type(required(json, part.c_str(), at), space, at + "." + part, depth + 1));
      return &node;
    }
    return reference(kind, space, at);
  }

  const Node* reference(const std::string& name, const std::string& space, const std::string& at) {
    if (const auto simple = primitive(name)) {
      return &add(*simple);
    }
    // The null namespace is looked in, too, as other implementations do.
    for (const std::string& full : {full_name(name, space), name}) {
      if (const auto found = named_.find(full); found != named_.end()) {
        return found->second;
      }
    }
    std::vector<std::string> candidates;
    candidates.reserve(kPrimitives.size() + named_.size());
    for (const Kind kind : kPrimitives) {
      candidates.emplace_back(word(kind));
    }
    for (const auto& [known, node] : named_) {
      candidates.push_back(known);
    }
    const auto meant = suggest(name, candidates);
    fail(at, fmt::format("no type `{}` is defined before this place{}", name,
                         meant ? fmt::format("; did you mean `{}`?", *meant) : ""));
  }

  const Node* union_of(const Json& json, const std::string& space, const std::string& at,
                       int depth) {
    if (json.empty()) {
      fail(at, "a union without branches");
    }
    Node& node = add(Kind::union_);
    std::set<std::string> seen;
    for (std::size_t i = 0; i < json.size(); i++) {
      const std::string place = fmt::format("{}[{}]", at, i);
      const Node* branch = type(json[i], space, place, depth + 1);
      if (branch->kind == Kind::union_) {
        fail(place, "a union directly within a union; write its branches into the outer one");
      }
      const std::string key = branch->name.empty() ? std::string(word(branch->kind)) : branch->name;
      if (!seen.insert(key).second) {
        fail(place, fmt::format("a union with two branches of type `{}`", key));
      }
      node.parts.push_back(branch);
    }
    return &node;
  }

  const Node* record(const Json& json, const std::string& space, const std::string& at, int depth) {
    Node& node = named(Kind::record, json, space, at);
    const std::string inner = space_of(node.name);
    const Json& fields = required(json, "fields", at);
    if (!fields.is_array()) {
      fail(at, "`fields` of a record has to be a list");
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < fields.size(); i++) {
      const std::string place = fmt::format("{}.fields[{}]", at, i);
      if (!fields[i].is_object()) {
        fail(place, "a field has to be an object with `name` and `type`");
      }
      Field field{.name = text(fields[i], "name", place)};
      check_name(field.name, place);
      if (!seen.insert(field.name).second) {
        fail(place, fmt::format("two fields `{}` in one record", field.name));
      }
      // Each place holds those around it, and a name may be as long as the schema.
      const std::string of_type = fmt::format("{} (`{}`)", place, excerpt(field.name, 80));
      field.type = type(required(fields[i], "type", of_type), inner, of_type, depth + 1);
      field.aliases = aliases(fields[i], of_type);
      if (const auto value = fields[i].find("default"); value != fields[i].end()) {
        field.default_value = *value;
      }
      node.fields.push_back(std::move(field));
    }
    // A record that contains itself is not complete here, and so not empty.
    node.is_empty =
        std::ranges::all_of(node.fields, [](const Field& field) { return field.type->is_empty; });
    return &node;
  }

  const Node* enumeration(const Json& json, const std::string& space, const std::string& at) {
    Node& node = named(Kind::enumeration, json, space, at);
    const Json& symbols = required(json, "symbols", at);
    if (!symbols.is_array()) {
      fail(at, "`symbols` of an enum has to be a list of texts");
    }
    std::set<std::string> seen;
    for (const Json& symbol : symbols) {
      if (!symbol.is_string()) {
        fail(at, fmt::format("an enum's symbols are texts, not {}", shown(symbol)));
      }
      check_name(symbol.get_ref<const std::string&>(), at);
      if (!seen.insert(symbol).second) {
        fail(at, fmt::format("the symbol {} comes twice", shown(symbol)));
      }
      node.symbols.push_back(symbol);
    }
    if (const auto found = json.find("default"); found != json.end()) {
      if (!found->is_string() || !seen.contains(found->get_ref<const std::string&>())) {
        fail(at, fmt::format("the default {} is none of the enum's symbols", shown(*found)));
      }
      node.default_symbol = *found;
    }
    return &node;
  }

  const Node* fixed(const Json& json, const std::string& space, const std::string& at) {
    Node& node = named(Kind::fixed, json, space, at);
    const auto size = count_of(json, "size");
    if (!size) {
      fail(at, "a fixed needs `size`, its number of bytes");
    }
    node.size = static_cast<std::size_t>(*size);
    node.is_empty = node.size == 0;
    read_logical(json, node);
    return &node;
  }

  Node& named(Kind kind, const Json& json, const std::string& space, const std::string& at) {
    const std::string name = text(json, "name", at);
    std::string around = space;
    if (const auto found = json.find("namespace"); found != json.end() && found->is_string()) {
      around = *found;
    }
    Node& node = add(kind);
    node.name = full_name(name, around);
    if (name.empty() || node.name.empty() ||
        (names_ == Names::checked && !is_full_name(node.name))) {
      fail(at, fmt::format("`{}` is no name: letters, digits and _, with dots between namespaces",
                           node.name.empty() ? name : node.name));
    }
    if (primitive(short_name(node.name))) {
      fail(at, fmt::format("the name `{}` is that of a built-in type", node.name));
    }
    if (!named_.emplace(node.name, &node).second) {
      fail(at, fmt::format("the type `{}` is defined twice; give its name alone the second time",
                           node.name));
    }
    for (const std::string& alias : aliases(json, at)) {
      node.aliases.push_back(full_name(alias, space_of(node.name)));
    }
    return node;
  }

  static std::vector<std::string> aliases(const Json& json, const std::string& at) {
    std::vector<std::string> result;
    const auto found = json.find("aliases");
    if (found == json.end()) {
      return result;
    }
    for (const Json& alias : *found) {
      if (!found->is_array() || !alias.is_string()) {
        fail(at, "`aliases` has to be a list of names");
      }
      result.push_back(alias);
    }
    return result;
  }

  void check_name(const std::string& name, const std::string& at) const {
    if (name.empty() || (names_ == Names::checked && !is_identifier(name))) {
      fail(at, fmt::format("`{}` is no name: letters, digits and _, the first no digit", name));
    }
  }

  static const Json& required(const Json& json, const char* attribute, const std::string& at) {
    const auto found = json.find(attribute);
    if (found == json.end()) {
      fail(at, fmt::format("`{}` is missing", attribute));
    }
    return *found;
  }
  static std::string text(const Json& json, const char* attribute, const std::string& at) {
    const Json& value = required(json, attribute, at);
    if (!value.is_string()) {
      fail(at, fmt::format("`{}` has to be a text, not {}", attribute, shown(value)));
    }
    return value;
  }

  /// A leading dot means the null namespace. There is none in what is given.
  static std::string full_name(const std::string& name, const std::string& space) {
    const std::string full = space.empty() || name.contains('.') ? name : space + "." + name;
    return full.substr(std::min(full.find_first_not_of('.'), full.size()));
  }
  static std::string space_of(const std::string& full) {
    const std::size_t dot = full.rfind('.');
    return dot == std::string::npos ? "" : full.substr(0, dot);
  }

  Node& add(Kind kind) {
    schema_.nodes_.push_back({.kind = kind, .is_empty = kind == Kind::null});
    return schema_.nodes_.back();
  }

  Names names_;
  AvroSchema schema_;
  std::map<std::string, const Node*> named_;
};

AvroSchema parse_schema(std::string_view json, Names names) {
  if (json_depth(json) > kJsonDepthMax) {
    throw Error(Blame::user, fmt::format("avro schema: JSON nested more than {} deep; no schema of "
                                         "this kind can be read",
                                         kJsonDepthMax));
  }
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_discarded()) {
    return SchemaParser(names).parse(parsed);
  }
  // A lone name such as long is no JSON, but schema registries hold it.
  if (primitive(trim(json))) {
    return SchemaParser(names).parse(Json(trim(json)));
  }
  throw Error(Blame::user, fmt::format("avro schema: no valid JSON: {}", excerpt(json, 80)));
}

}  // namespace millrace::avro
