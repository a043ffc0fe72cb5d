// Texts and JSON in which words such as $value stand for what is different in each notice.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/node.h"

namespace millrace {

/// In the order in which they are written; JSON of people.
using OrderedJson = nlohmann::ordered_json;

/// What a word stands for: a value of JSON, and, for a word within a text, its text.
struct TemplateValue {
  OrderedJson json;
  std::string text;
};
using TemplateValues = std::function<TemplateValue(std::string_view word)>;

/// The words of notices, without the `$`.
[[nodiscard]] std::vector<std::string> alert_words();

/// "$alert of $pipeline: $value"; `$$` is a dollar.
class TextTemplate {
 public:
  TextTemplate() = default;
  /// Reads a scalar, with its references to variables of the environment; what these hold is text,
  /// and no template. Reports mistakes; `what` has them: "`message` of alert `behind`".
  [[nodiscard]] static TextTemplate read(const Node& scalar, std::string_view what,
                                         Diagnostics& diagnostics);

  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  [[nodiscard]] std::string fill(const TemplateValues& values) const;
  /// The word, if the text is nothing else.
  [[nodiscard]] const std::string* only_word() const noexcept;

 private:
  struct Piece {
    bool is_word = false;
    std::string text;
  };
  std::vector<Piece> pieces_;
};

/// JSON whose texts are templates. A text that is a single word becomes that word's value, such as
/// a number. What comes in from outside is always a value: it can't end a text or begin a key.
class BodyTemplate {
 public:
  [[nodiscard]] static BodyTemplate read(const Node& node, const std::string& what,
                                         Diagnostics& diagnostics);
  [[nodiscard]] OrderedJson fill(const TemplateValues& values) const;

 private:
  OrderedJson constant_;  // of what is no text and has no parts
  std::optional<TextTemplate> text_;
  bool is_list_ = false;
  std::vector<std::pair<std::string, BodyTemplate>> parts_;  // of a list, without names
  bool has_parts_ = false;
};

}  // namespace millrace
