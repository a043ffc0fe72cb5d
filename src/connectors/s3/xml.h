// The XML that stores answer with: elements and text, nothing else of the language.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::s3 {

/// An element. Attributes are left out; a name is without its namespace's prefix.
struct XmlElement {
  std::string name;
  std::string text;  ///< of its own, unescaped
  std::vector<XmlElement> children;

  /// The first child of a name; nullptr: there is none.
  [[nodiscard]] const XmlElement* find(std::string_view child) const noexcept;
  /// Its text; empty if there is none.
  [[nodiscard]] std::string_view text_of(std::string_view child) const noexcept;
};

/// nullopt: it is none, or uses what no store does (a DOCTYPE, CDATA, deep nesting).
[[nodiscard]] std::optional<XmlElement> parse_xml(std::string_view text);
/// As text between elements.
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace millrace::s3
