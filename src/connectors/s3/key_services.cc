#include "connectors/s3/key_services.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

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

std::optional<system_clock::time_point> moment_of(std::string_view text) {
  const auto seconds = parse_timestamp(text, 0);
  return seconds ? std::optional(system_clock::from_time_t(*seconds)) : std::nullopt;
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

/// The key in an answer of STS.
Credentials of_sts(const std::string& body, std::string_view action, const std::string& role,
                   const std::string& whom) {
  const auto xml = parse_xml(body);
  const auto* const result = xml ? xml->find(fmt::format("{}Result", action)) : nullptr;
  const auto* const key = result == nullptr ? nullptr : result->find("Credentials");
  if (key == nullptr || key->text_of("AccessKeyId").empty()) {
    throw Error(Blame::external, whom + " gives no key for S3", Retry::yes);
  }
  return {.access_key_id = std::string(key->text_of("AccessKeyId")),
          .secret = Secret(std::string(key->text_of("SecretAccessKey"))),
          .session_token = Secret(std::string(key->text_of("SessionToken"))),
          .from = fmt::format("key {} of the role {}", key->text_of("AccessKeyId"), role),
          .expires = moment_of(key->text_of("Expiration"))};
}

/// What a request for a role says of it.
Query form_of(const RoleWish& role, const std::string& action) {
  Query form{{"Action", action},
             {"Version", "2011-06-15"},
             {"RoleArn", role.arn},
             {"RoleSessionName", role.session_name}};
  if (!role.external_id.empty()) {
    form.emplace_back("ExternalId", role.external_id);
  }
  if (!role.duration_s.empty()) {
    form.emplace_back("DurationSeconds", role.duration_s);
  }
  return form;
}

constexpr const char* kForm = "application/x-www-form-urlencoded";

}  // namespace

Credentials credentials_of_json(const std::string& text, const char* token, const std::string& whom,
                                std::string_view from) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto member = [&json](const char* name) -> std::string {
    return json.is_object() && json.contains(name) && json[name].is_string()
               ? json[name].get<std::string>()
               : "";
  };
  Credentials found{.access_key_id = member("AccessKeyId"),
                    .secret = Secret(member("SecretAccessKey")),
                    .session_token = Secret(member(token)),
                    .from = fmt::format("key {} {}", member("AccessKeyId"), from),
                    .expires = moment_of(member("Expiration"))};
  if (found.access_key_id.empty() || found.secret.empty()) {
    throw Error(Blame::external, fmt::format("{} gives no key for S3", whom), Retry::yes);
  }
  return found;
}

KeyServices::KeyServices(std::string region, Environment environment)
    : region_(std::move(region)),
      environment_(std::move(environment)),
      http_({.ca_file = "",
             .connect_timeout = std::chrono::milliseconds(1000),
             .stall_timeout = std::chrono::milliseconds(5000),
             .total_timeout = std::chrono::milliseconds(10'000),
             .at_once = 1}) {}

/// Throws Error with Retry::yes if it doesn't answer, or not as it should.
HttpAnswer KeyServices::ask(const HttpRequest& request, const std::string& whom,
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

std::string KeyServices::sts() const {
  return environment_("AWS_ENDPOINT_URL_STS")
      .value_or(fmt::format("https://sts.{}.amazonaws.com", region_));
}

Credentials KeyServices::with_web_identity(const RoleWish& role, const std::string& token_file,
                                           const std::stop_token& stop) {
  const std::string action = "AssumeRoleWithWebIdentity";
  auto form = form_of(role, action);
  form.emplace_back("WebIdentityToken", trim(read_file(token_file)));
  const auto body = query_text(form);
  const auto answer = ask({.method = "POST",
                           .url = sts() + "/",
                           .headers = {fmt::format("Content-Type: {}", kForm)},
                           .body = body,
                           .into = {}},
                          sts(), stop);
  return of_sts(answer.body, action, role.arn, sts());
}

Credentials KeyServices::assume_role(const RoleWish& role, const Credentials& by,
                                     system_clock::time_point now, const std::stop_token& stop) {
  const std::string action = "AssumeRole";
  const auto body = query_text(form_of(role, action));
  const auto endpoint = sts();
  const auto host = endpoint.substr(endpoint.find("://") + 3);
  std::map<std::string, std::string> headers{
      {"content-type", kForm}, {"host", host}, {"x-amz-date", signing_time(now)}};
  if (!by.session_token.empty()) {
    headers["x-amz-security-token"] = by.session_token.reveal();
  }
  const auto signature = authorization({.method = "POST",
                                        .path = "/",
                                        .query = "",
                                        .headers = headers,
                                        .payload_hash = hex(sha256(body)),
                                        .time = headers["x-amz-date"],
                                        .region = region_,
                                        .service = "sts"},
                                       by.access_key_id, by.secret.reveal());
  HttpRequest request{
      .method = "POST", .url = endpoint + "/", .headers = {}, .body = body, .into = {}};
  for (const auto& [name, value] : headers) {
    request.headers.push_back(fmt::format("{}: {}", name, value));
  }
  request.headers.push_back(fmt::format("Authorization: {}", signature));
  return of_sts(ask(request, endpoint, stop).body, action, role.arn, endpoint);
}

Credentials KeyServices::with_sso(const SsoWish& wish, const std::stop_token& stop) {
  const auto endpoint =
      environment_("AWS_ENDPOINT_URL_SSO")
          .value_or(fmt::format("https://portal.sso.{}.amazonaws.com", wish.region));
  if (!is_trusted(endpoint)) {
    throw Error(Blame::user,
                "AWS_ENDPOINT_URL_SSO has to begin with https://: a login's token would "
                "be sent readable by others");
  }
  const auto query = query_text({{"account_id", wish.account_id}, {"role_name", wish.role_name}});
  const auto answer =
      ask({.method = "GET",
           .url = fmt::format("{}/federation/credentials?{}", endpoint, query),
           .headers = {fmt::format("x-amz-sso_bearer_token: {}", wish.token.reveal())},
           .body = {},
           .into = {}},
          endpoint, stop);
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  const auto key = json.is_object() ? json.value("roleCredentials", nlohmann::json::object())
                                    : nlohmann::json::object();
  Credentials found;
  try {
    found = {.access_key_id = key.at("accessKeyId"),
             .secret = Secret(key.at("secretAccessKey").get<std::string>()),
             .session_token = Secret(key.at("sessionToken").get<std::string>()),
             .from = "",
             .expires = system_clock::time_point(
                 std::chrono::milliseconds(key.at("expiration").get<std::int64_t>()))};
  } catch (const nlohmann::json::exception&) {
    throw Error(Blame::external, endpoint + " gives no key for S3", Retry::yes);
  }
  found.from = fmt::format("key {} of the role {} of the account {}", found.access_key_id,
                           wish.role_name, wish.account_id);
  return found;
}

std::optional<Credentials> KeyServices::of_container(const std::stop_token& stop) {
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
  return credentials_of_json(ask(request, std::string(kWhom), stop).body, "Token",
                             std::string(kWhom), "of the container");
}

std::optional<Credentials> KeyServices::of_machine(const std::stop_token& stop) {
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
  return credentials_of_json(get(path + percent_encoded(role)), "Token", whom,
                             fmt::format("of the machine's role {}", role));
}

}  // namespace millrace::s3
