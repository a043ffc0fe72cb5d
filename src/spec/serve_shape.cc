#include "spec/serve_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/references.h"
#include "base/strings.h"

namespace millrace {
namespace {

AnswerShape scalar_shape(const Node& node, Diagnostics& diagnostics) {
  if (node.text.starts_with('$') && !has_reference(node.text)) {
    if (std::ranges::find(kShapeWords, node.text) == std::end(kShapeWords)) {
      std::vector<std::string> words;
      for (const auto word : kShapeWords) {
        words.emplace_back(word);
      }
      diagnostics.error(node.at, fmt::format("`{}` stands for nothing in an answer", node.text),
                        did_you_mean(node.text, words));
    }
    return node.text;
  }
  std::string text = interpolate(node, diagnostics).value_or("");
  if (node.quoted) {
    return text;
  }
  if (text == "true" || text == "false") {
    return text == "true";
  }
  if (const auto whole = parse_integer(text)) {
    return *whole;
  }
  if (const auto number = parse_number(text)) {
    return *number;
  }
  return text;
}

}  // namespace

AnswerShape read_shape(const Node& node, Diagnostics& diagnostics) {
  switch (node.kind) {
    case Node::Kind::null:
      return nullptr;
    case Node::Kind::scalar:
      return scalar_shape(node, diagnostics);
    case Node::Kind::sequence: {
      AnswerShape list = AnswerShape::array();
      for (const Node& item : node.items) {
        list.push_back(read_shape(item, diagnostics));
      }
      return list;
    }
    case Node::Kind::mapping: {
      AnswerShape object = AnswerShape::object();
      for (const Node::Entry& entry : node.entries) {
        object[entry.key] = read_shape(entry.value, diagnostics);
      }
      return object;
    }
  }
  std::unreachable();
}

}  // namespace millrace
