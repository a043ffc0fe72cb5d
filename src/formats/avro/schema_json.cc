#include <array>
#include <set>

#include "formats/avro/schema.h"

namespace millrace::avro {

namespace {

/// Writes each named type in full where it first comes, and by its name from then on.
class SchemaWriter {
 public:
  Json type(const Node& node) {
    if (node.kind == Kind::union_) {
      Json branches = Json::array();
      for (const Node* branch : node.parts) {
        branches.push_back(type(*branch));
      }
      return branches;
    }
    if (!node.name.empty() && !written_.insert(node.name).second) {
      return node.name;
    }
    Json json{{"type", word(node.kind)}};
    if (!node.name.empty()) {
      named(node, json);
    } else if (node.kind == Kind::array || node.kind == Kind::map) {
      json[node.kind == Kind::array ? "items" : "values"] = type(*node.parts[0]);
    } else if (node.logical == Logical::none) {
      return word(node.kind);
    }
    if (node.logical != Logical::none) {
      json["logicalType"] = word(node.logical);
    }
    if (node.logical == Logical::decimal) {
      json["precision"] = node.precision;
      json["scale"] = node.scale;
    }
    return json;
  }

 private:
  void named(const Node& node, Json& json) {
    json["name"] = node.name;
    // A name without dots would be taken into the namespace around it.
    if (!node.name.contains('.')) {
      json["namespace"] = "";
    }
    for (const std::string& alias : node.aliases) {
      // So would an alias into that of the name.
      const bool is_moved = node.name.contains('.') && !alias.contains('.');
      json["aliases"].push_back(is_moved ? "." + alias : alias);
    }
    if (node.kind == Kind::fixed) {
      json["size"] = node.size;
    } else if (node.kind == Kind::enumeration) {
      json["symbols"] = node.symbols;
      if (node.default_symbol) {
        json["default"] = *node.default_symbol;
      }
    } else {
      json["fields"] = Json::array();
      for (const Field& each : node.fields) {
        json["fields"].push_back(field(each));
      }
    }
  }

  Json field(const Field& field) {
    Json json{{"name", field.name}, {"type", type(*field.type)}};
    if (!field.aliases.empty()) {
      json["aliases"] = field.aliases;
    }
    if (field.default_value) {
      json["default"] = *field.default_value;
    }
    return json;
  }

  std::set<std::string> written_;
};

/// The attributes that matter, in a fixed order and without spaces.
class CanonicalWriter {
 public:
  std::string type(const Node& node) {
    if (node.kind == Kind::union_) {
      std::string text;
      for (const Node* branch : node.parts) {
        text += (text.empty() ? "[" : ",") + type(*branch);
      }
      return text + "]";
    }
    if (!node.name.empty()) {
      return written_.insert(node.name).second ? named(node) : quoted(node.name);
    }
    if (node.kind == Kind::array) {
      return R"({"type":"array","items":)" + type(*node.parts[0]) + "}";
    }
    if (node.kind == Kind::map) {
      return R"({"type":"map","values":)" + type(*node.parts[0]) + "}";
    }
    return quoted(word(node.kind));
  }

 private:
  std::string named(const Node& node) {
    std::string text = R"({"name":)" + quoted(node.name) + R"(,"type":)" + quoted(word(node.kind));
    if (node.kind == Kind::fixed) {
      return text + R"(,"size":)" + std::to_string(node.size) + "}";
    }
    std::string list;
    for (const std::string& symbol : node.symbols) {
      list += (list.empty() ? "" : ",") + quoted(symbol);
    }
    for (const Field& field : node.fields) {
      list += list.empty() ? "" : ",";
      list += R"({"name":)" + quoted(field.name) + R"(,"type":)" + type(*field.type) + "}";
    }
    text += node.kind == Kind::record ? R"(,"fields":[)" : R"(,"symbols":[)";
    return text + list + "]}";
  }

  static std::string quoted(std::string_view text) { return Json(text).dump(); }

  std::set<std::string> written_;
};

constexpr std::uint64_t kEmptyFingerprint = 0xc15d213aa4d7a795;

constexpr std::array<std::uint64_t, 256> fingerprint_table() {
  std::array<std::uint64_t, 256> table{};
  for (std::uint64_t i = 0; i < table.size(); i++) {
    std::uint64_t value = i;
    for (int bit = 0; bit < 8; bit++) {
      value = (value >> 1U) ^ ((value & 1U) != 0 ? kEmptyFingerprint : 0);
    }
    table[i] = value;
  }
  return table;
}

}  // namespace

Json to_json(const AvroSchema& schema) { return SchemaWriter().type(schema.root()); }

std::string canonical_form(const AvroSchema& schema) {
  return CanonicalWriter().type(schema.root());
}

std::uint64_t fingerprint(std::string_view text) noexcept {
  static constexpr auto kTable = fingerprint_table();
  std::uint64_t value = kEmptyFingerprint;
  for (const char c : text) {
    value = (value >> 8U) ^ kTable[(value ^ static_cast<unsigned char>(c)) & 0xFFU];
  }
  return value;
}

}  // namespace millrace::avro
