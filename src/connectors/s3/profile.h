// AWS's shared files of configuration.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::s3 {

/// What a variable of the environment holds; nullopt: it is not set, or is empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] Environment process_environment();

/// The keys of a profile, in lower case, and their values.
using Profile = std::map<std::string, std::string>;

/// Adds what the file's text says of a profile. `prefix`: of its sections' names, "profile" in the
/// file `config`; empty: they are called by the name alone. True: there is such a section.
bool read_profile(std::string_view text, std::string_view name, std::string_view prefix,
                  Profile& to);

/// What the file `config` says in a section "[kind name]", such as "[sso-session mine]"; nullopt:
/// there is none.
[[nodiscard]] std::optional<Profile> load_section(const Environment& environment,
                                                  const std::string& kind, const std::string& name);

/// A profile out of both files, where the environment says they are; what `credentials` says goes
/// first. nullopt: neither has it. Throws Error if a file is there and can't be read.
[[nodiscard]] std::optional<Profile> load_profile(const Environment& environment,
                                                  const std::string& name);

}  // namespace millrace::s3
