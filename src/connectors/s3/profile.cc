#include "connectors/s3/profile.h"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/files.h"
#include "base/strings.h"

namespace millrace::s3 {

namespace {

/// The name in `[name]`, with white space folded; nullopt: the line begins no section.
std::optional<std::string> section_of(std::string_view line) {
  line = trim(line);
  const auto end = line.find(']');
  if (!line.starts_with('[') || end == std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(trim(line.substr(1, end - 1)));
}

constexpr std::string_view kProfile = "profile";

bool is_called(std::string_view section, std::string_view name, std::string_view prefix) {
  if (prefix.empty() || (prefix == kProfile && name == "default" && section == name)) {
    return section == name;
  }
  return section.starts_with(prefix) && section.size() > prefix.size() &&
         (section[prefix.size()] == ' ' || section[prefix.size()] == '\t') &&
         trim(section.substr(prefix.size())) == name;
}

/// Adds to a profile what a file has of it; true: it has a section. `variable`: says where it is.
bool load(const Environment& environment, const char* variable, const char* file,
          std::string_view prefix, const std::string& name, Profile& to) {
  const auto path =
      environment(variable).value_or(environment("HOME").value_or("") + "/.aws/" + file);
  std::string text;
  const int error = read_file_or_errno(path, text);
  if (error != 0 && error != ENOENT && error != ENOTDIR) {
    throw_file_error("read", path, error);
  }
  return error == 0 && read_profile(text, name, prefix, to);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
  };
}

bool read_profile(std::string_view text, std::string_view name, std::string_view prefix,
                  Profile& to) {
  bool found = false;
  bool inside = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto content = trim(line);
    if (content.empty() || content.starts_with('#') || content.starts_with(';')) {
      continue;
    }
    if (const auto section = section_of(line)) {
      inside = is_called(*section, name, prefix);
      found |= inside;
      continue;
    }
    const auto equals = content.find('=');
    const bool is_nested = line.starts_with(' ') || line.starts_with('\t');
    if (inside && !is_nested && equals != std::string_view::npos) {
      auto value = trim(content.substr(equals + 1));
      if (const auto comment = value.find(" #"); comment != std::string_view::npos) {
        value = trim(value.substr(0, comment));
      }
      to.insert_or_assign(to_lower(trim(content.substr(0, equals))), std::string(value));
    }
  }
  return found;
}

std::optional<Profile> load_section(const Environment& environment, const std::string& kind,
                                    const std::string& name) {
  Profile section;
  const bool found = load(environment, "AWS_CONFIG_FILE", "config", kind, name, section);
  return found ? std::optional(std::move(section)) : std::nullopt;
}

std::optional<Profile> load_profile(const Environment& environment, const std::string& name) {
  Profile profile;
  bool found = load(environment, "AWS_CONFIG_FILE", "config", kProfile, name, profile);
  found |= load(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials", "", name, profile);
  return found ? std::optional(std::move(profile)) : std::nullopt;
}

}  // namespace millrace::s3
