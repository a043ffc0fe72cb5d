// A parsed configuration file, independent of the parser: values that know where they stand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace millrace {

/// One value of a configuration file. A tree of these is all that option tables ever see, so
/// nothing but spec/ knows about YAML.
struct Node {
  enum class Kind : std::uint8_t { null, scalar, sequence, mapping };
  struct Entry;

  Kind kind = Kind::null;
  Location at;
  std::string text;            ///< the scalar as written, unquoted
  bool quoted = false;         ///< the scalar stood in quotes (or a block): always a string
  std::vector<Node> items;     ///< of a sequence
  std::vector<Entry> entries;  ///< of a mapping, in file order

  [[nodiscard]] bool is_null() const noexcept { return kind == Kind::null; }
  [[nodiscard]] bool is_scalar() const noexcept { return kind == Kind::scalar; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind == Kind::sequence; }
  [[nodiscard]] bool is_mapping() const noexcept { return kind == Kind::mapping; }
  /// The value of a key of a mapping, or nullptr.
  [[nodiscard]] const Node* find(std::string_view key) const noexcept;
};

struct Node::Entry {
  std::string key;
  Location at;  ///< of the key
  Node value;
};

}  // namespace millrace
