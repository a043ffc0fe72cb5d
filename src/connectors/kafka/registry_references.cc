#include "connectors/kafka/registry_references.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"

namespace millrace::kafka {

namespace {

using avro::Json;

// The parser refuses types nested deeper than this.
constexpr int kDepthMax = 64;

/// Writes the definitions of types in the places where their names are used first.
class Inliner {
 public:
  /// Remembers the types that are defined within `type`, which is as avro::to_json writes it.
  void learn(const Json& type) {
    if (type.is_object() && type.contains("name")) {
      definitions_.emplace(type["name"], &type);
    }
    each_part(type, [this](const Json& part) { learn(part); });
  }

  /// `type` with all that it needs.
  Json inlined(const Json& type, int depth = 0) {
    if (depth > kDepthMax) {
      return type;  // the parser says that this is too deep
    }
    if (type.is_string()) {
      const auto found = definitions_.find(type);
      return found == definitions_.end() ? type : inlined(*found->second, depth);
    }
    const bool is_named = type.is_object() && type.contains("name");
    if (is_named && !written_.insert(type["name"]).second) {
      return type["name"];
    }
    Json result = type;
    each_part(result, [&](Json& part) { part = inlined(part, depth + 1); });
    return result;
  }

 private:
  /// Calls with each type directly within a type.
  template <class T, class Call>
  static void each_part(T& type, const Call& call) {
    if (type.is_array()) {
      for (auto& branch : type) {
        call(branch);
      }
    } else if (type.is_object()) {
      for (const char* part : {"items", "values"}) {
        if (type.contains(part)) {
          call(type[part]);
        }
      }
      if (type.contains("fields")) {
        for (auto& field : type["fields"]) {
          call(field["type"]);
        }
      }
    }
  }

  std::map<std::string, const Json*> definitions_;
  std::set<std::string> written_;
};

void check_json(const std::string& name, const std::string& text) {
  if (!Json::accept(text)) {
    throw Error(Blame::user, fmt::format("avro schema: {} is no valid JSON", name));
  }
}

}  // namespace

avro::AvroSchema parse_with_references(const std::string& json,
                                       const std::vector<ReferencedSchema>& references) {
  if (references.empty()) {
    return avro::parse_schema(json, avro::Names::any);
  }
  // All of them as the fields of one record, with a name that no schema can have taken.
  std::string all = R"({"type": "record", "name": "a schema and its references", "fields": [)";
  for (const auto& [name, text] : references) {
    check_json(name, text);
    all += fmt::format(R"({{"name": {}, "type": {}}},)", Json(name).dump(), text);
  }
  check_json("the schema", json);
  all += fmt::format(R"({{"name": "the schema", "type": {}}}]}})", json);
  const Json parsed = avro::to_json(avro::parse_schema(all, avro::Names::any));
  const Json& fields = parsed["fields"];
  Inliner inliner;
  for (std::size_t i = 0; i + 1 < fields.size(); i++) {
    inliner.learn(fields[i]["type"]);
  }
  return avro::parse_schema(inliner.inlined(fields.back()["type"]).dump(), avro::Names::any);
}

}  // namespace millrace::kafka
