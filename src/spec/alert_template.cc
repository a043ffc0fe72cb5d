#include "spec/alert_template.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/references.h"
#include "base/strings.h"

namespace millrace {
namespace {

constexpr std::array<std::string_view, 16> kWords = {
    "id",        "alert",   "pipeline", "state", "severity", "metric", "of",   "value",
    "threshold", "message", "since",    "at",    "batch",    "labels", "rows", "row_count"};

bool in_word(char c) noexcept {
  return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A value of YAML that is no text.
std::optional<OrderedJson> constant_of(const Node& node) {
  if (node.is_null()) {
    return OrderedJson(nullptr);
  }
  if (node.quoted) {
    return std::nullopt;
  }
  if (node.text == "true" || node.text == "false") {
    return OrderedJson(node.text == "true");
  }
  if (const auto whole = parse_integer(node.text)) {
    return OrderedJson(*whole);
  }
  if (const auto number = parse_number(node.text)) {
    return OrderedJson(*number);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> alert_words() { return {kWords.begin(), kWords.end()}; }

TextTemplate TextTemplate::read(const Node& scalar, std::string_view what,
                                Diagnostics& diagnostics) {
  TextTemplate result;
  const std::string_view text = scalar.text;
  std::string literal;  // with references, until put() resolves them
  const auto put = [&] {
    Node part = scalar;
    part.text = std::move(literal);
    literal.clear();
    if (auto resolved = interpolate(part, diagnostics); resolved && !resolved->empty()) {
      result.pieces_.push_back({false, std::move(*resolved)});
    }
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("$${") || !rest.starts_with('$')) {  // `$${`: the text `${`
      const std::size_t size = rest.starts_with('$') ? 3 : 1;
      literal += rest.substr(0, size);
      at += size;
    } else if (rest.starts_with("$$")) {
      literal += '$';
      at += 2;
    } else if (rest.starts_with("${")) {
      const std::size_t size = std::min(rest.find('}'), rest.size() - 1) + 1;
      literal += rest.substr(0, size);
      at += size;
    } else {
      const auto* const end = std::find_if_not(rest.begin() + 1, rest.end(), in_word);
      const std::string word(rest.begin() + 1, end);
      if (std::ranges::find(kWords, word) == kWords.end()) {
        diagnostics.error(
            scalar.at,
            word.empty() ? fmt::format("{} has a `$` without a word", what)
                         : fmt::format("{} has `${}`, which stands for nothing", what, word),
            is_identifier(word) ? did_you_mean(word, alert_words()) : "write `$$` for a dollar");
      }
      put();
      at += 1 + word.size();
      result.pieces_.push_back({true, word});
    }
  }
  put();
  return result;
}

std::string TextTemplate::fill(const TemplateValues& values) const {
  std::string result;
  for (const Piece& piece : pieces_) {
    result += piece.is_word ? values(piece.text).text : piece.text;
  }
  return result;
}

const std::string* TextTemplate::only_word() const noexcept {
  return pieces_.size() == 1 && pieces_.front().is_word ? &pieces_.front().text : nullptr;
}

BodyTemplate BodyTemplate::read(const Node& node, const std::string& what,
                                Diagnostics& diagnostics) {
  BodyTemplate result;
  if (node.is_scalar() || node.is_null()) {
    if (const auto constant = constant_of(node)) {
      result.constant_ = *constant;
    } else {
      result.text_ = TextTemplate::read(node, what, diagnostics);
    }
    return result;
  }
  result.has_parts_ = true;
  result.is_list_ = node.is_sequence();
  result.parts_.reserve(node.items.size() + node.entries.size());
  for (const Node& item : node.items) {
    result.parts_.emplace_back("", read(item, what, diagnostics));
  }
  for (const Node::Entry& entry : node.entries) {
    result.parts_.emplace_back(entry.key, read(entry.value, what, diagnostics));
  }
  return result;
}

OrderedJson BodyTemplate::fill(const TemplateValues& values) const {
  if (text_) {
    const std::string* word = text_->only_word();
    return word != nullptr ? values(*word).json : OrderedJson(text_->fill(values));
  }
  if (!has_parts_) {
    return constant_;
  }
  OrderedJson result = is_list_ ? OrderedJson::array() : OrderedJson::object();
  for (const auto& [name, part] : parts_) {
    if (is_list_) {
      result.push_back(part.fill(values));
    } else {
      result[name] = part.fill(values);
    }
  }
  return result;
}

}  // namespace millrace
