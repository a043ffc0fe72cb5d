#include "connectors/s3/profile_keys.h"

#include <fmt/format.h>

#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "connectors/s3/command_output.h"
#include "connectors/s3/signing.h"
#include "core/times.h"

namespace millrace::s3 {

namespace {

std::string value_of(const Profile& profile, const std::string& key) {
  const auto found = profile.find(key);
  return found == profile.end() ? std::string() : found->second;
}

std::optional<Credentials> static_key(const std::string& name, const Profile& profile) {
  const auto id = value_of(profile, "aws_access_key_id");
  const auto secret = value_of(profile, "aws_secret_access_key");
  if (id.empty() || secret.empty()) {
    return std::nullopt;
  }
  return Credentials{.access_key_id = id,
                     .secret = Secret(secret),
                     .session_token = Secret(value_of(profile, "aws_session_token")),
                     .from = fmt::format("key {} of the profile `{}`", id, name),
                     .expires = {}};
}

Credentials of_process(const std::string& name, const std::string& command,
                       const std::stop_token& stop) {
  const auto whom = fmt::format("the credential_process of the profile `{}`", name);
  const auto output = command_output(command, stop);
  if (!output) {
    throw Error(Blame::external, fmt::format("no key for S3 from {}: {}", whom, output.error()),
                Retry::yes);
  }
  return credentials_of_json(*output, "SessionToken", whom,
                             fmt::format("of the credential_process of the profile `{}`", name));
}

}  // namespace

std::optional<Credentials> ProfileKeys::of(const std::string& name, const std::stop_token& stop) {
  const auto profile = load_profile(environment_, name);
  if (!profile) {
    return std::nullopt;
  }
  if (!value_of(*profile, "role_arn").empty()) {
    return of_role(name, *profile, stop);
  }
  if (profile->contains("sso_session") || profile->contains("sso_start_url")) {
    return of_sso(name, *profile, stop);
  }
  if (auto found = static_key(name, *profile)) {
    return found;
  }
  if (const auto command = value_of(*profile, "credential_process"); !command.empty()) {
    return of_process(name, command, stop);
  }
  return std::nullopt;
}

std::string ProfileKeys::why_none(const std::string& name) const {
  return load_profile(environment_, name)
             ? fmt::format(
                   "the profile `{}` says of no key: it has neither aws_access_key_id and "
                   "aws_secret_access_key, nor a role_arn, sso_session or "
                   "credential_process",
                   name)
             : fmt::format("there is no profile `{}` in ~/.aws/config or ~/.aws/credentials", name);
}

Credentials ProfileKeys::of_role(const std::string& name, const Profile& profile,
                                 const std::stop_token& stop) {
  RoleWish role{.arn = value_of(profile, "role_arn"),
                .external_id = value_of(profile, "external_id"),
                .duration_s = value_of(profile, "duration_seconds")};
  if (const auto session = value_of(profile, "role_session_name"); !session.empty()) {
    role.session_name = session;
  }
  if (profile.contains("mfa_serial")) {
    throw Error(Blame::user,
                fmt::format("the role of the profile `{}` wants a code of a device (mfa_serial), "
                            "which nobody is here to type; export its key into the environment "
                            "(`aws configure export-credentials`)",
                            name));
  }
  if (const auto file = value_of(profile, "web_identity_token_file"); !file.empty()) {
    return services_.with_web_identity(role, file, stop);
  }
  return services_.assume_role(role, of_source(name, profile, stop), now_, stop);
}

Credentials ProfileKeys::of_source(const std::string& name, const Profile& profile,
                                   const std::stop_token& stop) {
  const auto source = value_of(profile, "source_profile");
  const auto kind = to_lower(value_of(profile, "credential_source"));
  std::optional<Credentials> found;
  if (!source.empty()) {
    if (source == name) {  // its own key asks for its role
      found = static_key(name, profile);
    } else if (seen_.insert(name).second && !seen_.contains(source)) {
      found = of(source, stop);
    } else {
      throw Error(
          Blame::user,
          fmt::format("the profiles `{}` and `{}` are each other's source_profile", name, source));
    }
  } else if (kind == "environment") {
    const auto id = environment_("AWS_ACCESS_KEY_ID");
    const auto secret = environment_("AWS_SECRET_ACCESS_KEY");
    if (id && secret) {
      found = {.access_key_id = *id,
               .secret = Secret(*secret),
               .session_token = Secret(environment_("AWS_SESSION_TOKEN").value_or("")),
               .from = "",
               .expires = {}};
    }
  } else if (kind == "ec2instancemetadata") {
    found = services_.of_machine(stop);
  } else if (kind == "ecscontainer") {
    found = services_.of_container(stop);
  }
  if (!found) {
    throw Error(Blame::user,
                fmt::format("nobody can ask for the role of the profile `{}`: {}", name,
                            source.empty() && kind.empty()
                                ? "name a source_profile or credential_source there"
                                : fmt::format("{} has no key", source.empty() ? kind : source)));
  }
  return *std::move(found);
}

Credentials ProfileKeys::of_sso(const std::string& name, const Profile& profile,
                                const std::stop_token& stop) {
  const auto session = value_of(profile, "sso_session");
  auto login = profile;
  if (!session.empty()) {
    const auto found = load_section(environment_, "sso-session", session);
    if (!found) {
      throw Error(Blame::user, fmt::format("the profile `{}` is of the sso-session `{}`, which "
                                           "~/.aws/config does not have",
                                           name, session));
    }
    login = *found;
  }
  const auto log_in = fmt::format("log in: `aws sso login --profile {}`", name);
  // A login's file is called by the session, or by the page where one logs in.
  const auto called = hex(sha1(session.empty() ? value_of(login, "sso_start_url") : session));
  std::string text;
  const auto path = environment_("HOME").value_or("") + "/.aws/sso/cache/" + called + ".json";
  if (read_file_or_errno(path, text) != 0) {
    throw Error(Blame::user,
                fmt::format("nobody is logged in for the profile `{}`; {}", name, log_in));
  }
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto member = [&json](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string()
               ? json[key].get<std::string>()
               : std::string();
  };
  const auto expires = parse_timestamp(member("expiresAt"), 0);
  if (member("accessToken").empty() || !expires ||
      std::chrono::system_clock::from_time_t(*expires) <= now_) {
    throw Error(Blame::user,
                fmt::format("the login of the profile `{}` has expired; {}", name, log_in));
  }
  return services_.with_sso({.region = value_of(login, "sso_region"),
                             .account_id = value_of(profile, "sso_account_id"),
                             .role_name = value_of(profile, "sso_role_name"),
                             .token = Secret(member("accessToken"))},
                            stop);
}

}  // namespace millrace::s3
