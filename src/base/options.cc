#include "base/options.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "base/strings.h"

namespace millrace {

std::ostream& operator<<(std::ostream& out, const Secret& secret) {
  return out << (secret.empty() ? "" : "***");
}

std::vector<std::string> OptionSet::names() const {
  std::vector<std::string> result;
  for (const OptionInfo& info : infos()) {
    result.push_back(info.name);
  }
  return result;
}

namespace options {
namespace {

std::string_view kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return "a single value";
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::mapping:
      return "a mapping";
  }
  std::unreachable();
}

}  // namespace

std::string shown(const Node& node) {
  constexpr std::size_t kMost = 60;
  if (!node.is_scalar()) {
    return std::string(kind_name(node.kind));
  }
  std::string text = node.text.substr(0, node.text.find('\n'));
  if (text.size() > kMost) {
    std::size_t end = kMost;
    // Not in the middle of a character.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) {
      --end;
    }
    text.resize(end);
  }
  if (text.size() < node.text.size()) {
    text += "...";
  }
  return node.quoted ? "the text `" + text + "`" : "`" + text + "`";
}

std::string text(const OptionInfo&, const std::string& value) { return value; }

std::string text(const OptionInfo& info, std::int64_t value) {
  return info.kind == OptionKind::bytes ? bytes_text(value) : fmt::format("{}", value);
}

std::string text(const OptionInfo&, double value) { return fmt::format("{}", value); }

std::string text(const OptionInfo&, char value) {
  if (value == '\t') {
    return R"("\t")";
  }
  return fmt::format(R"("{}")", value == '"' ? R"(\")" : std::string(1, value));
}

std::string text(const OptionInfo&, std::chrono::milliseconds value) {
  return duration_text(value);
}

std::string text(const OptionInfo&, Bytes value) { return bytes_text(value.count); }

std::string text(const OptionInfo&, const std::vector<std::string>& value) {
  return value.empty() ? std::string() : "[" + join(value, ", ") + "]";
}

bool check_keys(const Node& mapping, const std::vector<OptionInfo>& infos, Diagnostics& diagnostics,
                std::string_view what) {
  if (!mapping.is_null() && !mapping.is_mapping()) {
    diagnostics.error(mapping.at,
                      fmt::format("{} must be a mapping of options, not {}", what, shown(mapping)));
    return false;
  }
  const std::size_t errors_before = diagnostics.error_count();
  std::vector<std::string> names;
  names.reserve(infos.size());
  for (const OptionInfo& info : infos) {
    names.push_back(info.name);
  }
  std::map<std::string_view, int> first_lines;
  for (const Node::Entry& entry : mapping.entries) {
    const auto [first, is_new] = first_lines.emplace(entry.key, entry.at.line);
    if (!is_new) {
      diagnostics.error(entry.at, fmt::format("`{}` is given twice in {}", entry.key, what),
                        fmt::format("it stands on line {} already", first->second));
    } else if (std::ranges::find(names, entry.key) == names.end()) {
      diagnostics.error(entry.at, fmt::format("{} has no option `{}`", what, entry.key),
                        names.empty() ? "it takes no options" : did_you_mean(entry.key, names));
    }
  }
  for (const OptionInfo& info : infos) {
    if (info.required && !first_lines.contains(info.name)) {
      diagnostics.error(
          mapping.at, fmt::format("{} needs the option `{}`", what, info.name),
          info.example.empty() ? "" : fmt::format("for example `{}: {}`", info.name, info.example));
    }
  }
  return diagnostics.error_count() == errors_before;
}

}  // namespace options
}  // namespace millrace
