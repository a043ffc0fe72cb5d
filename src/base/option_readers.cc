// The readers of single values, one for each kind of option.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/files.h"
#include "base/options.h"
#include "base/references.h"
#include "base/strings.h"

namespace millrace::options {
namespace {

/// What a value of this option has to be, to follow "must be".
std::string wanted(const OptionInfo& info) {
  switch (info.kind) {
    case OptionKind::string:
    case OptionKind::any:
      return "a text";
    case OptionKind::path:
      return "a path";
    case OptionKind::integer:
      return "a whole number";
    case OptionKind::number:
      return "a number";
    case OptionKind::boolean:
      return "`true` or `false`";
    case OptionKind::duration:
      return "a duration such as `250ms`, `10s` or `1h30m`";
    case OptionKind::bytes:
      return "a size such as `64MB`, `1GiB` or `4096`";
    case OptionKind::choice:
      return alternatives(info.choices);
    case OptionKind::string_list:
      return "a text or a list of texts";
    case OptionKind::string_map:
      return "a mapping of texts";
    case OptionKind::secret:
      return "a reference such as `${env:NAME}` or `${file:PATH}`";
  }
  std::unreachable();
}

bool fail_kind(const Reading& from, std::string hint = "") {
  return from.fail(fmt::format("must be {}, not {}", wanted(from.info), shown(from.node)),
                   std::move(hint));
}

/// The text of a single value, with what it refers to.
std::optional<std::string> scalar_text(const Reading& from) {
  if (from.node.is_null()) {
    // YAML reads `key: null` and `key: ~` as nothing.
    from.fail("has no value", fmt::format("it must be {}", wanted(from.info)));
    return std::nullopt;
  }
  if (!from.node.is_scalar()) {
    fail_kind(from);
    return std::nullopt;
  }
  return interpolate(from.node, from.diagnostics);
}

/// The text of something that is not a text. Quotes say that it is one, unless they had to be there
/// for a reference.
std::optional<std::string> plain_text(const Reading& from) {
  if (from.node.is_scalar() && from.node.quoted && !has_reference(from.node.text)) {
    fail_kind(from, "remove the quotes");
    return std::nullopt;
  }
  auto text = scalar_text(from);
  if (text) {
    *text = trim(*text);
  }
  return text;
}

/// Fails for a value that a reference gave, which must not be shown: it may be confidential.
bool fail_value(const Reading& from, const std::string& hint = "") {
  if (has_reference(from.node.text)) {
    return from.fail(fmt::format("must be {}, which the value of `{}` is not", wanted(from.info),
                                 from.node.text));
  }
  return fail_kind(from, hint);
}

/// A bound or value in the option's own notation.
std::string quantity(const OptionInfo& info, double value) {
  switch (info.kind) {
    case OptionKind::duration:
      return duration_text(std::chrono::milliseconds(static_cast<std::int64_t>(value)));
    case OptionKind::bytes:
      return bytes_text(static_cast<std::int64_t>(value));
    default:
      return fmt::format("{}", value);
  }
}

bool check_range(const Reading& from, double value) {
  if (from.info.minimum && value < *from.info.minimum) {
    return from.fail(fmt::format("must be at least {}, not {}",
                                 quantity(from.info, *from.info.minimum), shown(from.node)));
  }
  if (from.info.maximum && value > *from.info.maximum) {
    return from.fail(fmt::format("must be at most {}, not {}",
                                 quantity(from.info, *from.info.maximum), shown(from.node)));
  }
  return true;
}

bool read_bytes(const Reading& from, std::int64_t& into) {
  const auto text = plain_text(from);
  if (!text) {
    return false;
  }
  const auto value = parse_bytes(*text);
  if (!value) {
    return fail_value(from);
  }
  if (!check_range(from, static_cast<double>(*value))) {
    return false;
  }
  into = *value;
  return true;
}

/// Where a single value of a list or mapping is read as if it were the option's own.
Reading part(const Reading& from, const Node& node) {
  return {node, from.info, from.what, from.diagnostics};
}

/// How a secret is given, for a message.
std::string secret_hint(const Reading& from) {
  return fmt::format(
      "put it into an environment variable and write `{0}: ${{env:NAME}}`, or into a file of its "
      "own and write `{0}: ${{file:PATH}}`",
      from.info.name);
}

bool read_secret_file(const Reading& from, const std::string& path, Secret& into) {
  const std::string& file = from.node.at.file;
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  const std::string full = resolve_path(folder, path);
  std::string content;
  if (const int error = read_file_or_errno(full, content); error != 0) {
    return from.fail(fmt::format("cannot be read from `{}`: {}", full, errno_text(error)));
  }
  // Editors and `echo` end a file with a line end that is no part of the secret.
  while (content.ends_with('\n') || content.ends_with('\r')) {
    content.pop_back();
  }
  if (content.empty()) {
    return from.fail(fmt::format("is read from `{}`, which is empty", full));
  }
  into = Secret(std::move(content));
  return true;
}

template <class Put>
bool read_pairs(const Reading& from, Put put) {
  if (!from.node.is_mapping()) {
    return fail_kind(from);
  }
  bool good = true;
  for (const Node::Entry& entry : from.node.entries) {
    if (!entry.value.is_scalar()) {
      from.diagnostics.error(entry.value.at,
                             fmt::format("`{}` in `{}` of {} must be a text, not {}", entry.key,
                                         from.info.name, from.what, shown(entry.value)));
      good = false;
    } else if (auto text = interpolate(entry.value, from.diagnostics)) {
      put(entry.key, std::move(*text));
    } else {
      good = false;
    }
  }
  return good;
}

}  // namespace

bool Reading::fail(std::string_view rest, std::string hint) const {
  diagnostics.error(node.at, fmt::format("`{}` of {} {}", info.name, what, rest), std::move(hint));
  return false;
}

bool read(const Reading& from, std::string& into) {
  auto text = scalar_text(from);
  if (!text) {
    return false;
  }
  if (text->empty() && from.info.required) {
    return from.fail("must not be empty");
  }
  into = std::move(*text);
  return true;
}

bool read(const Reading& from, std::int64_t& into) {
  if (from.info.kind == OptionKind::bytes) {
    return read_bytes(from, into);
  }
  const auto text = plain_text(from);
  if (!text) {
    return false;
  }
  const auto value = parse_integer(*text);
  if (!value) {
    const bool separated = text->find_first_of("_,") != std::string::npos;
    return fail_value(from, separated ? "write it without separators" : "");
  }
  if (!check_range(from, static_cast<double>(*value))) {
    return false;
  }
  into = *value;
  return true;
}

bool read(const Reading& from, int& into) {
  std::int64_t value = 0;
  if (!read(from, value)) {
    return false;
  }
  constexpr auto kLargest = std::numeric_limits<int>::max();
  constexpr auto kSmallest = std::numeric_limits<int>::min();
  if (value > kLargest || value < kSmallest) {
    return from.fail(
        fmt::format("must be between {} and {}, not {}", kSmallest, kLargest, shown(from.node)));
  }
  into = static_cast<int>(value);
  return true;
}

bool read(const Reading& from, double& into) {
  const auto text = plain_text(from);
  if (!text) {
    return false;
  }
  const auto value = parse_number(*text);
  if (!value) {
    return fail_value(from);
  }
  if (!check_range(from, *value)) {
    return false;
  }
  into = *value;
  return true;
}

bool read(const Reading& from, bool& into) {
  const auto text = plain_text(from);
  if (!text) {
    return false;
  }
  if (*text != "true" && *text != "false") {
    const std::string word = to_lower(*text);
    const bool yes = word == "yes" || word == "on" || word == "true" || word == "1";
    const bool no = word == "no" || word == "off" || word == "false" || word == "0";
    const char* const hint = yes ? "write `true`" : no ? "write `false`" : "";
    return fail_value(from, hint);
  }
  into = *text == "true";
  return true;
}

bool read(const Reading& from, char& into) {
  const auto text = scalar_text(from);
  if (!text) {
    return false;
  }
  if (text->size() != 1) {
    const bool tab = *text == "\\t" || to_lower(*text) == "tab";
    return from.fail(fmt::format("must be one character (of ASCII), not {}", shown(from.node)),
                     tab ? R"(write a tab as "\t", in double quotes)" : "");
  }
  into = text->front();
  return true;
}

bool read(const Reading& from, std::chrono::milliseconds& into) {
  const auto text = plain_text(from);
  if (!text) {
    return false;
  }
  const auto value = parse_duration(*text);
  if (!value) {
    const bool without_unit = parse_number(*text).has_value();
    return fail_value(from,
                      without_unit ? fmt::format("say the unit, for example `{}s`", *text) : "");
  }
  if (!check_range(from, static_cast<double>(value->count()))) {
    return false;
  }
  into = *value;
  return true;
}

bool read(const Reading& from, Bytes& into) { return read_bytes(from, into.count); }

bool read(const Reading& from, Secret& into) {
  if (from.node.is_null()) {
    return from.fail("has no value", secret_hint(from));
  }
  const std::string_view text = from.node.text;
  const bool reference =
      from.node.is_scalar() && text.starts_with("${") && text.find('}') == text.size() - 1;
  if (!reference) {
    // The value itself is not shown: messages end up in logs.
    return from.fail("must not be written into the file", secret_hint(from));
  }
  const std::string_view inner = text.substr(2, text.size() - 3);
  if (inner.starts_with("file:") && inner.size() > 5) {
    return read_secret_file(from, std::string(inner.substr(5)), into);
  }
  if (inner.starts_with("env:") && inner.find(":-") != std::string_view::npos) {
    return from.fail("must not have a default in the file", secret_hint(from));
  }
  auto value = interpolate(from.node, from.diagnostics);
  if (!value) {
    return false;
  }
  into = Secret(std::move(*value));
  return true;
}

bool read(const Reading& from, Node& into) {
  into = from.node;
  return true;
}

bool read(const Reading& from, std::vector<std::string>& into) {
  std::vector<std::string> values;
  bool good = true;
  if (from.node.is_sequence()) {
    for (const Node& item : from.node.items) {
      std::string value;
      good &= read(part(from, item), value);
      values.push_back(std::move(value));
    }
    if (values.empty() && from.info.required) {
      return from.fail("must not be empty");
    }
  } else {
    std::string value;
    good = read(from, value);
    values.push_back(std::move(value));
  }
  if (good) {
    into = std::move(values);
  }
  return good;
}

bool read(const Reading& from, std::map<std::string, std::string>& into) {
  std::map<std::string, std::string> values;
  const bool good = read_pairs(from, [&](const std::string& key, std::string value) {
    values.emplace(key, std::move(value));
  });
  if (good) {
    into = std::move(values);
  }
  return good;
}

bool read(const Reading& from, std::vector<std::pair<std::string, std::string>>& into) {
  std::vector<std::pair<std::string, std::string>> values;
  const bool good = read_pairs(from, [&](const std::string& key, std::string value) {
    values.emplace_back(key, std::move(value));
  });
  if (good) {
    into = std::move(values);
  }
  return good;
}

std::optional<std::size_t> read_choice(const Reading& from) {
  const auto text = scalar_text(from);
  if (!text) {
    return std::nullopt;
  }
  const auto& choices = from.info.choices;
  const auto found = std::ranges::find(choices, *text);
  if (found == choices.end()) {
    const auto near = suggest(*text, choices);
    fail_value(from, near ? fmt::format("did you mean `{}`?", *near) : "");
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - choices.begin());
}

}  // namespace millrace::options
