// SQL as text: where it stands, and what can be said of it without understanding it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/node.h"
#include "spec/pipeline.h"
#include "spec/yaml.h"

namespace millrace {

/// SQL that is a value of a YAML file, in any of YAML's styles.
[[nodiscard]] SqlText sql_in_yaml(const YamlFile& yaml, const Node& scalar);

/// What a glance at SQL tells.
struct SqlWords {
  std::vector<std::string> names;  ///< identifiers and keywords, in lower case, sorted, no repeats
  /// `$name`, as it is written, without the `$`.
  struct Parameter {
    std::string name;
    std::size_t offset = 0;  ///< of the `$`
  };
  std::vector<Parameter> parameters;            ///< in their order, with repeats
  bool empty = true;                            ///< nothing but spaces, comments and semicolons
  std::optional<std::size_t> end;               ///< of the first statement: its semicolon
  std::optional<std::size_t> second_statement;  ///< where one begins
};
[[nodiscard]] SqlWords scan_sql(std::string_view sql);

/// Whether a name is a reserved word, so that SQL takes it in double quotes only.
[[nodiscard]] bool is_reserved_word(std::string_view name);

}  // namespace millrace
