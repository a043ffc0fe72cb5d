#include "base/references.h"

#include <fmt/core.h>

#include <cstdlib>

#include "base/strings.h"

namespace millrace {
namespace {

/// The place of a byte of a scalar that stands on one line; else where the scalar begins.
Location place_within(const Node& scalar, std::size_t offset) {
  Location at = scalar.at;
  if (at.column > 0 && scalar.text.find('\n') == std::string::npos) {
    at.column += static_cast<int>(offset) + (scalar.quoted ? 1 : 0);
  }
  return at;
}

/// The value of what stands between `${` and `}`.
std::optional<std::string> resolve(std::string_view reference, const Location& at,
                                   Diagnostics& diagnostics) {
  constexpr std::string_view kEnv = "env:";
  if (!reference.starts_with(kEnv)) {
    const bool file = reference.starts_with("file:");
    diagnostics.error(
        at, fmt::format("`${{{}}}` cannot be used here", reference),
        file ? "files can be referred to by secrets alone; here it can be `${env:NAME}`"
             : "write `${env:NAME}` for a variable of the environment, or `$${` for the text `${`");
    return std::nullopt;
  }
  reference.remove_prefix(kEnv.size());
  const std::size_t dash = reference.find(":-");
  const std::string name(reference.substr(0, dash));
  if (!is_identifier(name)) {
    diagnostics.error(at, fmt::format("`{}` is not the name of an environment variable", name),
                      "write `${env:NAME}` or `${env:NAME:-default}`");
    return std::nullopt;
  }
  if (const char* value = std::getenv(name.c_str())) {
    return std::string(value);
  }
  if (dash != std::string_view::npos) {
    return std::string(reference.substr(dash + 2));
  }
  diagnostics.error(at, fmt::format("the environment variable `{}` is not set", name),
                    fmt::format("set it, or give a default: `${{env:{}:-default}}`", name));
  return std::nullopt;
}

}  // namespace

std::optional<std::string> interpolate(const Node& scalar, Diagnostics& diagnostics) {
  const std::string_view text = scalar.text;
  std::string result;
  bool good = true;
  std::size_t done = 0;
  for (std::size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", done)) {
    if (at > done && text[at - 1] == '$') {
      result += text.substr(done, at - 1 - done);
      result += "${";
      done = at + 2;
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) {
      diagnostics.error(place_within(scalar, at), "`${` has no closing `}`",
                        "write `${env:NAME}`, or `$${` for the text `${`");
      return std::nullopt;
    }
    result += text.substr(done, at - done);
    const auto value =
        resolve(text.substr(at + 2, end - at - 2), place_within(scalar, at), diagnostics);
    good = good && value.has_value();
    result += value.value_or("");
    done = end + 1;
  }
  result += text.substr(done);
  return good ? std::optional(std::move(result)) : std::nullopt;
}

bool has_reference(std::string_view text) noexcept {
  return text.find("${") != std::string_view::npos;
}

}  // namespace millrace
