// Avro schemas: what a schema's JSON says, checked and with all names resolved.
// Specification 1.12, "Schema Declaration" and "Logical Types".
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace millrace::avro {

using Json = nlohmann::json;

enum class Kind : std::uint8_t {
  null,
  boolean,
  int_,
  long_,
  float_,
  double_,
  bytes,
  string,
  record,
  enumeration,
  fixed,
  array,
  map,
  union_,
};

/// What the bytes of a type mean. One that is unknown or does not fit its type is `none`.
enum class Logical : std::uint8_t {
  none,
  decimal,
  date,
  time_millis,
  time_micros,
  timestamp_millis,
  timestamp_micros,
  timestamp_nanos,
  local_timestamp_millis,
  local_timestamp_micros,
  local_timestamp_nanos,
  uuid,
  duration,
};

struct Node;

struct Field {
  std::string name;
  const Node* type = nullptr;
  std::vector<std::string> aliases;
  std::optional<Json> default_value;  ///< as written; checked when it is needed
};

/// A type of a schema. A named type is one node, however often it is referred to, so that a
/// recursive schema is a graph with cycles.
struct Node {
  Kind kind = Kind::null;
  Logical logical = Logical::none;
  int precision = 0;                 ///< of a decimal: digits in all, and
  int scale = 0;                     ///< those behind the point
  std::size_t size = 0;              ///< of a fixed: bytes
  bool is_empty = false;             ///< values have no bytes at all
  std::string name;                  ///< of a named type: the full name
  std::vector<std::string> aliases;  ///< full names
  std::vector<Field> fields;
  std::vector<std::string> symbols;
  std::optional<std::string> default_symbol;
  std::vector<const Node*> parts;  ///< an array's items, a map's values, a union's branches
};

/// An Avro schema; immutable. Nodes stay where they are when it is moved.
class AvroSchema {
 public:
  AvroSchema(AvroSchema&&) noexcept = default;
  AvroSchema& operator=(AvroSchema&&) noexcept = default;
  AvroSchema(const AvroSchema&) = delete;
  AvroSchema& operator=(const AvroSchema&) = delete;
  ~AvroSchema() = default;

  [[nodiscard]] const Node& root() const noexcept { return *root_; }

 private:
  friend class SchemaParser;
  AvroSchema() = default;

  std::deque<Node> nodes_;
  const Node* root_ = nullptr;
};

/// How strictly names are looked at. A writer's schema may be older than the rules: the
/// specification lets a reader's aliases correct its names.
enum class Names : std::uint8_t { checked, any };

/// Throws Error (user) that names the place in the schema. Types may be nested 64 deep.
[[nodiscard]] AvroSchema parse_schema(std::string_view json, Names names = Names::checked);

/// The schema as JSON with full names, aliases, defaults and logical types; without docs.
[[nodiscard]] Json to_json(const AvroSchema& schema);
/// "Parsing Canonical Form": equal for schemas whose data looks alike.
[[nodiscard]] std::string canonical_form(const AvroSchema& schema);
/// CRC-64-AVRO, the Rabin fingerprint of a text: of the canonical form, as a rule.
[[nodiscard]] std::uint64_t fingerprint(std::string_view text) noexcept;

/// "int", "record": the word of a schema.
[[nodiscard]] std::string_view word(Kind kind) noexcept;
[[nodiscard]] std::string_view word(Logical logical) noexcept;
/// For messages: "string", "long (timestamp-micros)", "record shop.Order".
[[nodiscard]] std::string describe(const Node& node);
/// The part of a full name behind the last dot.
[[nodiscard]] std::string_view short_name(std::string_view full_name) noexcept;

}  // namespace millrace::avro
