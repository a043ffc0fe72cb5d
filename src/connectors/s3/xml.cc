#include "connectors/s3/xml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "base/strings.h"

namespace millrace::s3 {

namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kReferenceMax = 10;  // "&#x10FFFF;"

void append_utf8(std::uint32_t code, std::string& to) {
  const auto put = [&to](std::uint32_t byte) { to += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

/// Between `&` and `;`. False: it means nothing.
bool append_reference(std::string_view name, std::string& to) {
  constexpr std::pair<std::string_view, char> kNamed[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  for (const auto& [known, c] : kNamed) {
    if (name == known) {
      to += c;
      return true;
    }
  }
  if (!name.starts_with('#')) {
    return false;
  }
  name.remove_prefix(1);
  const bool in_hex = name.starts_with('x');
  name.remove_prefix(in_hex ? 1 : 0);
  std::uint32_t code = 0;
  const auto end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data(), end, code, in_hex ? 16 : 10);
  if (error != std::errc() || at != end || code > 0x10FFFF) {
    return false;
  }
  append_utf8(code, to);
  return true;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<XmlElement> document() {
    XmlElement root;
    if (rest_.starts_with("\xEF\xBB\xBF")) {
      rest_.remove_prefix(3);
    }
    if (!skip_around() || !element(root, 0) || !skip_around() || !rest_.empty()) {
      return std::nullopt;
    }
    return root;
  }

 private:
  /// White space, the declaration and comments.
  bool skip_around() {
    while (true) {
      while (!rest_.empty() && is_space(rest_.front())) {
        rest_.remove_prefix(1);
      }
      if (rest_.starts_with("<?")) {
        if (!skip_past("?>")) {
          return false;
        }
      } else if (rest_.starts_with("<!--")) {
        if (!skip_past("-->")) {
          return false;
        }
      } else {
        return true;
      }
    }
  }
  static bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  bool skip_past(std::string_view end) {
    const auto at = rest_.find(end);
    if (at == std::string_view::npos) {
      return false;
    }
    rest_.remove_prefix(at + end.size());
    return true;
  }

  /// At a start tag: takes it, what is in it, and the end tag.
  bool element(XmlElement& to, int depth) {
    if (depth == kDepthMax || !rest_.starts_with('<')) {
      return false;
    }
    const auto close = end_of_tag();
    if (close == std::string_view::npos) {
      return false;
    }
    auto tag = rest_.substr(1, close - 1);
    rest_.remove_prefix(close + 1);
    const bool is_empty = tag.ends_with('/');
    tag.remove_suffix(is_empty ? 1 : 0);
    const auto full = tag.substr(0, tag.find_first_of(" \t\r\n"));
    to.name = full.substr(full.find(':') == std::string_view::npos ? 0 : full.find(':') + 1);
    if (to.name.empty() || to.name.front() == '!' || to.name.front() == '/') {
      return false;
    }
    return is_empty || content(to, full, depth);
  }

  /// Of the `>` that closes the tag; one in an attribute's value does not.
  [[nodiscard]] std::size_t end_of_tag() const {
    char quote = 0;
    for (std::size_t at = 0; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (quote != 0) {
        quote = c == quote ? '\0' : quote;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>') {
        return at;
      }
    }
    return std::string_view::npos;
  }

  bool content(XmlElement& to, std::string_view name, int depth) {
    while (true) {
      const auto at = std::min(rest_.find('<'), rest_.size());
      if (!append_text(rest_.substr(0, at), to.text)) {
        return false;
      }
      rest_.remove_prefix(at);
      if (rest_.starts_with("<!--")) {
        if (!skip_past("-->")) {
          return false;
        }
      } else if (rest_.starts_with("</")) {
        const auto close = rest_.find('>');
        const bool ours =
            close != std::string_view::npos && trim(rest_.substr(2, close - 2)) == name;
        rest_.remove_prefix(ours ? close + 1 : 0);
        return ours;
      } else if (!element(to.children.emplace_back(), depth + 1)) {
        return false;
      }
    }
  }

  static bool append_text(std::string_view text, std::string& to) {
    while (!text.empty()) {
      const auto at = std::min(text.find('&'), text.size());
      to += text.substr(0, at);
      text.remove_prefix(at);
      if (text.empty()) {
        break;
      }
      const auto end = text.substr(0, kReferenceMax).find(';');
      if (end == std::string_view::npos || !append_reference(text.substr(1, end - 1), to)) {
        return false;
      }
      text.remove_prefix(end + 1);
    }
    return true;
  }

  std::string_view rest_;
};

}  // namespace

const XmlElement* XmlElement::find(std::string_view child) const noexcept {
  const auto found = std::ranges::find(children, child, &XmlElement::name);
  return found == children.end() ? nullptr : &*found;
}

std::string_view XmlElement::text_of(std::string_view child) const noexcept {
  const auto* const found = find(child);
  return found == nullptr ? std::string_view() : std::string_view(found->text);
}

std::optional<XmlElement> parse_xml(std::string_view text) { return Parser(text).document(); }

std::string xml_escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '\r':
        result += "&#13;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace millrace::s3
