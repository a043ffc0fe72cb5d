// YAML files as values that know where they stand. The only place that knows yaml-cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/node.h"

namespace millrace {

/// A text and its lines, to turn an offset into a line and a column. Columns count characters.
class LineIndex {
 public:
  LineIndex(std::string file, std::string_view text);
  [[nodiscard]] Location locate(std::string_view text, std::size_t offset) const;
  /// The offset of a place; the end of the text for one that lies behind it.
  [[nodiscard]] std::size_t offset_of(std::string_view text, const Location& at) const;

 private:
  std::string file_;
  std::vector<std::size_t> starts_;  ///< offset of each line's first byte
};

/// A YAML file that was read. References such as ${env:NAME} stand in it as they were written.
struct YamlFile {
  std::string text;  ///< without a byte order mark, lines ending in \n
  LineIndex lines;
  Node root;
};

/// Reads YAML: one document, at most 1 MiB, 64 levels deep. Anchors and merge keys are resolved.
/// Reports every mistake; nullopt if there is nothing to go on with. A key that comes twice is a
/// mistake, but the first one is kept to go on with. `file` is how the file is named in messages.
[[nodiscard]] std::optional<YamlFile> parse_yaml(const std::string& file, std::string content,
                                                 Diagnostics& diagnostics);

}  // namespace millrace
