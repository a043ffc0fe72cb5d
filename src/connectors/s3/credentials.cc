#include "connectors/s3/credentials.h"

#include <fmt/format.h>

#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "connectors/s3/signing.h"
#include "connectors/s3/xml.h"
#include "core/times.h"

namespace millrace::s3 {

namespace {

using std::chrono::system_clock;

/// A key is asked for anew so long before it expires.
constexpr auto kRenewBefore = std::chrono::minutes(5);

std::optional<system_clock::time_point> moment_of(std::string_view text) {
  const auto seconds = parse_timestamp(text, 0);
  return seconds ? std::optional(system_clock::from_time_t(*seconds)) : std::nullopt;
}

std::string key_text(std::string_view id, std::string_view from) {
  return fmt::format("key {} {}", id, from);
}

/// The answer of a container's or a machine's endpoint.
Credentials of_json(const std::string& text, const std::string& whom, std::string_view from) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto member = [&json](const char* name) -> std::string {
    return json.is_object() && json.contains(name) && json[name].is_string()
               ? json[name].get<std::string>()
               : "";
  };
  Credentials found{.access_key_id = member("AccessKeyId"),
                    .secret = Secret(member("SecretAccessKey")),
                    .session_token = Secret(member("Token")),
                    .from = key_text(member("AccessKeyId"), from),
                    .expires = moment_of(member("Expiration"))};
  if (found.access_key_id.empty() || found.secret.empty()) {
    throw Error(Blame::external, fmt::format("{} gives no key for S3", whom), Retry::yes);
  }
  return found;
}

/// Only what cannot be read on the way may be asked without TLS.
bool is_trusted(const std::string& url) {
  if (url.starts_with("https://")) {
    return true;
  }
  constexpr std::string_view kHosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
                                         "localhost",     "127.0.0.1",      "[::1]"};
  constexpr std::string_view kPlain = "http://";
  if (!url.starts_with(kPlain)) {
    return false;
  }
  const auto rest = std::string_view(url).substr(kPlain.size());
  return std::ranges::any_of(kHosts, [rest](std::string_view host) {
    return rest.starts_with(host) &&
           (rest.size() == host.size() || rest[host.size()] == ':' || rest[host.size()] == '/');
  });
}

}  // namespace

CredentialChain::CredentialChain(S3Options options, std::string region, Environment environment,
                                 Clock clock)
    : options_(std::move(options)),
      region_(std::move(region)),
      environment_(std::move(environment)),
      clock_(std::move(clock)),
      http_({.ca_file = "",
             .connect_timeout = std::chrono::milliseconds(1000),
             .stall_timeout = std::chrono::milliseconds(5000),
             .total_timeout = std::chrono::milliseconds(10'000),
             .at_once = 1}) {}

Credentials CredentialChain::get(const std::stop_token& stop) {
  const std::lock_guard guard(lock_);
  const auto now = clock_();
  if (at_hand_ && (!at_hand_->expires || now + kRenewBefore < *at_hand_->expires)) {
    return *at_hand_;
  }
  try {
    at_hand_ = look(stop);
  } catch (const Stopped&) {
    throw;
  } catch (const Error&) {
    if (!at_hand_ || now >= *at_hand_->expires) {
      throw;
    }
  }
  return *at_hand_;
}

bool CredentialChain::renew(const Credentials& old) {
  const std::lock_guard guard(lock_);
  if (!old.expires) {
    return false;
  }
  if (at_hand_ && at_hand_->access_key_id == old.access_key_id) {
    at_hand_.reset();
  }
  return true;
}

Credentials CredentialChain::look(const std::stop_token& stop) {
  if (options_.anonymous) {
    return {.access_key_id = "",
            .secret = {},
            .session_token = {},
            .from = "nobody (`anonymous`)",
            .expires = {}};
  }
  if (auto found = of_options()) {
    return *found;
  }
  if (!options_.profile.empty()) {
    if (auto found = of_files()) {
      return *found;
    }
  } else {
    if (auto found = of_environment()) {
      return *found;
    }
    if (auto found = of_web_identity(stop)) {
      return *found;
    }
    if (auto found = of_files()) {
      return *found;
    }
    if (auto found = of_container(stop)) {
      return *found;
    }
    if (auto found = of_machine(stop)) {
      return *found;
    }
  }
  throw Error(Blame::user,
              "no key for S3: there is none in the options, the environment, ~/.aws, a web "
              "identity token, the container or the machine; give `access_key_id` and "
              "`secret_access_key`, a `profile`, or `anonymous: true` for a public bucket");
}

CredentialChain::Found CredentialChain::of_options() const {
  if (options_.access_key_id.empty()) {
    return std::nullopt;
  }
  return Credentials{.access_key_id = options_.access_key_id,
                     .secret = options_.secret_access_key,
                     .session_token = options_.session_token,
                     .from = key_text(options_.access_key_id, "of the connection's options"),
                     .expires = {}};
}

CredentialChain::Found CredentialChain::of_environment() const {
  const auto id = environment_("AWS_ACCESS_KEY_ID");
  const auto secret = environment_("AWS_SECRET_ACCESS_KEY");
  if (!id || !secret) {
    return std::nullopt;
  }
  return Credentials{.access_key_id = *id,
                     .secret = Secret(*secret),
                     .session_token = Secret(environment_("AWS_SESSION_TOKEN").value_or("")),
                     .from = key_text(*id, "of AWS_ACCESS_KEY_ID"),
                     .expires = {}};
}

CredentialChain::Found CredentialChain::of_files() const {
  const bool is_named = !options_.profile.empty() || environment_("AWS_PROFILE");
  const auto name =
      options_.profile.empty() ? environment_("AWS_PROFILE").value_or("default") : options_.profile;
  const auto profile = load_profile(environment_, name);
  const auto value = [&profile](const char* key) {
    const auto found = profile->find(key);
    return found == profile->end() ? std::string() : found->second;
  };
  if (profile && !value("aws_access_key_id").empty() && !value("aws_secret_access_key").empty()) {
    return Credentials{
        .access_key_id = value("aws_access_key_id"),
        .secret = Secret(value("aws_secret_access_key")),
        .session_token = Secret(value("aws_session_token")),
        .from = key_text(value("aws_access_key_id"), fmt::format("of the profile `{}`", name)),
        .expires = {}};
  }
  if (is_named) {
    throw Error(Blame::user,
                profile ? fmt::format("the profile `{}` has no aws_access_key_id and "
                                      "aws_secret_access_key; profiles with roles, SSO or a "
                                      "credential_process are not read: export their key into the "
                                      "environment (`aws configure export-credentials`)",
                                      name)
                        : fmt::format("there is no profile `{}` in ~/.aws/config or "
                                      "~/.aws/credentials",
                                      name));
  }
  return std::nullopt;
}

/// Throws Error with Retry::yes if it doesn't answer, or not as it should.
HttpAnswer CredentialChain::ask(const HttpRequest& request, const std::string& whom,
                                const std::stop_token& stop) {
  auto answer = http_.send(request, stop);
  if (!answer) {
    throw Error(Blame::external,
                fmt::format("no key for S3 from {}: {}", whom, answer.error().text), Retry::yes);
  }
  if (!answer->is_good()) {
    const auto xml = parse_xml(answer->body);
    const auto* const error = xml ? xml->find("Error") : nullptr;
    const bool passes = answer->status == 429 || answer->status >= 500;
    throw Error(passes ? Blame::external : Blame::user,
                fmt::format("no key for S3 from {}: HTTP {}{}{}", whom, answer->status,
                            error == nullptr ? "" : ": ",
                            error == nullptr ? "" : error->text_of("Message")),
                passes ? Retry::yes : Retry::no);
  }
  return *std::move(answer);
}

CredentialChain::Found CredentialChain::of_web_identity(const std::stop_token& stop) {
  const auto file = environment_("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = environment_("AWS_ROLE_ARN");
  if (!file || !role) {
    return std::nullopt;
  }
  const auto session = environment_("AWS_ROLE_SESSION_NAME").value_or("millrace");
  const auto endpoint = environment_("AWS_ENDPOINT_URL_STS")
                            .value_or(fmt::format("https://sts.{}.amazonaws.com", region_));
  const auto body = query_text({{"Action", "AssumeRoleWithWebIdentity"},
                                {"Version", "2011-06-15"},
                                {"RoleArn", *role},
                                {"RoleSessionName", session},
                                {"WebIdentityToken", std::string(trim(read_file(*file)))}});
  const auto answer = ask({.method = "POST",
                           .url = endpoint + "/",
                           .headers = {"Content-Type: application/x-www-form-urlencoded"},
                           .body = body,
                           .into = {}},
                          endpoint, stop);
  const auto xml = parse_xml(answer.body);
  const auto* const result = xml ? xml->find("AssumeRoleWithWebIdentityResult") : nullptr;
  const auto* const key = result == nullptr ? nullptr : result->find("Credentials");
  if (key == nullptr || key->text_of("AccessKeyId").empty()) {
    throw Error(Blame::external, endpoint + " gives no key for S3", Retry::yes);
  }
  return Credentials{
      .access_key_id = std::string(key->text_of("AccessKeyId")),
      .secret = Secret(std::string(key->text_of("SecretAccessKey"))),
      .session_token = Secret(std::string(key->text_of("SessionToken"))),
      .from = key_text(key->text_of("AccessKeyId"), fmt::format("of the role {}", *role)),
      .expires = moment_of(key->text_of("Expiration"))};
}

CredentialChain::Found CredentialChain::of_container(const std::stop_token& stop) {
  const auto relative = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full) {
    return std::nullopt;
  }
  const auto url = relative ? "http://169.254.170.2" + *relative : *full;
  if (!is_trusted(url)) {
    throw Error(Blame::user,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI has to begin with https://, or be of this "
                "machine or a container's own address: a key would be sent readable by others");
  }
  HttpRequest request{.method = "GET", .url = url, .headers = {}, .body = {}, .into = {}};
  auto token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const auto file = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    token = std::string(trim(read_file(*file)));
  }
  if (token && token->find_first_of("\r\n") == std::string::npos) {
    request.headers.push_back("Authorization: " + *token);
  }
  constexpr std::string_view kWhom = "the container's endpoint";
  return of_json(ask(request, std::string(kWhom), stop).body, std::string(kWhom),
                 "of the container");
}

/// nullopt: this is no machine of EC2.
CredentialChain::Found CredentialChain::of_machine(const std::stop_token& stop) {
  if (to_lower(environment_("AWS_EC2_METADATA_DISABLED").value_or("")) == "true") {
    return std::nullopt;
  }
  auto base = environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  while (base.ends_with('/')) {
    base.pop_back();
  }
  const std::string whom = "the machine's metadata service";
  const auto token = http_.send({.method = "PUT",
                                 .url = base + "/latest/api/token",
                                 .headers = {"X-aws-ec2-metadata-token-ttl-seconds: 21600"},
                                 .body = {},
                                 .into = {}},
                                stop);
  if (!token || !token->is_good()) {
    return std::nullopt;
  }
  const std::vector<std::string> headers{"X-aws-ec2-metadata-token: " + token->body};
  const auto get = [&](const std::string& path) {
    return ask({.method = "GET", .url = base + path, .headers = headers, .body = {}, .into = {}},
               whom, stop)
        .body;
  };
  const std::string path = "/latest/meta-data/iam/security-credentials/";
  const auto roles = get(path);
  const auto role = std::string(trim(std::string_view(roles).substr(0, roles.find('\n'))));
  return of_json(get(path + percent_encoded(role)), whom,
                 fmt::format("of the machine's role {}", role));
}

}  // namespace millrace::s3
