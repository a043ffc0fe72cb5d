#include "connectors/s3/client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "connectors/s3/xml.h"

namespace millrace::s3 {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{5000};
/// A clock that is wrong by less is not the reason why a request was refused.
constexpr std::int64_t kSkewSeconds = 60;

/// What a store says of a request that it did not do.
struct Refusal {
  std::string code;
  std::string message;
  std::string region;
};

Refusal refusal_of(const HttpAnswer& answer) {
  Refusal refusal;
  if (const auto xml = parse_xml(answer.body); xml && xml->name == "Error") {
    refusal = {std::string(xml->text_of("Code")), std::string(xml->text_of("Message")),
               std::string(xml->text_of("Region"))};
  }
  if (const auto region = answer.header("x-amz-bucket-region"); !region.empty()) {
    refusal.region = region;
  }
  if (refusal.code.empty()) {  // the answer to HEAD has no body
    refusal.code = answer.status == 403   ? "AccessDenied"
                   : answer.status == 404 ? "NoSuchKey"
                                          : fmt::format("HTTP {}", answer.status);
  }
  return refusal;
}

template <std::size_t N>
bool is_one_of(std::string_view code, const std::string_view (&codes)[N]) {
  return std::ranges::find(codes, code) != std::end(codes);
}

/// It may be done when it is asked for again. Bodies that came damaged are sent again, too.
bool is_passing(long status, std::string_view code) {
  constexpr std::string_view kPassing[] = {"SlowDown",
                                           "RequestTimeout",
                                           "InternalError",
                                           "ServiceUnavailable",
                                           "BadDigest",
                                           "IncompleteBody",
                                           "Throttling",
                                           "ThrottlingException",
                                           "RequestLimitExceeded",
                                           "XAmzContentSHA256Mismatch",
                                           "OperationAborted"};
  return status == 408 || status == 429 || (status >= 500 && status != 501) ||
         is_one_of(code, kPassing);
}

bool is_expired(std::string_view code) {
  constexpr std::string_view kExpired[] = {"ExpiredToken", "ExpiredTokenException",
                                           "TokenRefreshRequired"};
  return is_one_of(code, kExpired);
}

bool is_wrong_region(const HttpAnswer& answer, const Refusal& refusal, const Endpoint& endpoint) {
  constexpr std::string_view kWrong[] = {"PermanentRedirect", "AuthorizationHeaderMalformed",
                                         "IllegalLocationConstraintException", "TemporaryRedirect",
                                         "Redirect"};
  return (answer.status == 301 || answer.status == 307 || is_one_of(refusal.code, kWrong)) &&
         !refusal.region.empty() && refusal.region != endpoint.region;
}

std::string way_out(const HttpAnswer& answer, const Refusal& refusal, const Endpoint& endpoint,
                    const Credentials& credentials) {
  if (is_wrong_region(answer, refusal, endpoint)) {
    return fmt::format("; the bucket is in {}, and was looked for in {}: set `region: {}`",
                       refusal.region, endpoint.region, refusal.region);
  }
  if (refusal.code == "NoSuchBucket") {
    return fmt::format("; there is no bucket `{}` at {}: make it, or correct `path`",
                       endpoint.bucket, endpoint.host);
  }
  if (is_expired(refusal.code) || refusal.code == "InvalidToken") {
    return fmt::format("; asked with the {}: get a new session token", credentials.from);
  }
  if (answer.status == 401 || answer.status == 403) {
    return fmt::format("; asked with the {}: check it, and what it may do", credentials.from);
  }
  if (answer.status == 301 || answer.status == 307) {
    return "; check `region` and `endpoint`";
  }
  return "";
}

/// How far a store's clock is ahead of ours, by its answer.
std::int64_t clock_ahead_s(const HttpAnswer& answer) {
  const auto there = curl_getdate(answer.header("date").c_str(), nullptr);
  return there < 0 ? 0 : there - system_clock::to_time_t(system_clock::now());
}

std::string region_of(const S3Options& options, const Environment& environment) {
  if (!options.region.empty()) {
    return options.region;
  }
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (auto region = environment(name)) {
      return *region;
    }
  }
  try {
    const auto name =
        !options.profile.empty() ? options.profile : environment("AWS_PROFILE").value_or("default");
    if (const auto profile = load_profile(environment, name); profile) {
      if (const auto region = profile->find("region"); region != profile->end()) {
        return region->second;
      }
    }
  } catch (const Error& error) {
    Log().debug("no region: {}", error.what());  // who needs a key out of it will say so aloud
  }
  return "us-east-1";
}

Error bad_endpoint(const std::string& url, std::string_view why) {
  return {Blame::user, fmt::format("`{}` can't be the `endpoint` of S3: {}", url, why)};
}

}  // namespace

Endpoint find_endpoint(const S3Options& options, const std::string& bucket,
                       const Environment& environment) {
  Endpoint endpoint{.scheme = "https",
                    .host = {},
                    .base = {},
                    .bucket = bucket,
                    .region = region_of(options, environment)};
  auto url = options.endpoint;
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    url = url.empty() ? environment(name).value_or("") : url;
  }
  const bool is_aws = url.empty();
  // Names with a dot don't fit the certificate of *.s3.amazonaws.com.
  const bool path_style = options.path_style.value_or(!is_aws || bucket.contains('.'));
  if (is_aws) {
    endpoint.host = fmt::format("s3.{}.amazonaws.com", endpoint.region);
  } else {
    std::string_view rest = url;
    const auto scheme = rest.find("://");
    endpoint.scheme = std::string(rest.substr(0, std::min(scheme, rest.size())));
    if (scheme == std::string_view::npos ||
        (endpoint.scheme != "https" && endpoint.scheme != "http")) {
      throw bad_endpoint(url, "it has to begin with https://, or with http:// to do without TLS");
    }
    rest.remove_prefix(scheme + 3);
    const auto slash = std::min(rest.find('/'), rest.size());
    endpoint.host = std::string(rest.substr(0, slash));
    rest.remove_prefix(slash);
    while (rest.ends_with('/')) {
      rest.remove_suffix(1);
    }
    if (endpoint.host.empty() || url.find_first_of("?#@ ") != std::string::npos) {
      throw bad_endpoint("***", "it has to be like https://host:9000");  // it may hold a password
    }
    endpoint.base = percent_encoded(rest, true);
  }
  if (path_style) {
    endpoint.base += "/" + percent_encoded(bucket);
  } else {
    endpoint.host = bucket + "." + endpoint.host;
  }
  return endpoint;
}

struct S3Client::Attempt {
  int number = 1;
  bool renewed = false;  // the key was asked for anew
  bool clock_corrected = false;
  std::string trouble;
};

S3Client::S3Client(const S3Options& options, Endpoint endpoint, const Environment& environment,
                   std::stop_token stop)
    : attempts_max_(static_cast<int>(options.max_attempts)),
      endpoint_(std::move(endpoint)),
      stop_(std::move(stop)),
      credentials_(options, endpoint_.region, environment, system_clock::now),
      http_({.ca_file = options.ca_file,
             .connect_timeout = std::min(options.timeout, milliseconds(5000)),
             .stall_timeout = options.timeout,
             .at_once = static_cast<std::ptrdiff_t>(options.max_connections)}) {}

std::string S3Client::url(std::string_view key) const {
  return fmt::format("s3://{}/{}", endpoint_.bucket, key);
}

std::string S3Client::what(const Request& request) const {
  return fmt::format("S3 at {}: {} {}", endpoint_.host, request.method,
                     request.key.empty() ? "s3://" + endpoint_.bucket : url(request.key));
}

HttpRequest S3Client::sign(const Request& request, const Credentials& credentials) const {
  auto headers = request.headers;
  const auto path = fmt::format("{}/{}", endpoint_.base, percent_encoded(request.key, true));
  const auto query = query_text(request.query);
  if (request.method == "PUT" || request.method == "POST") {
    headers.emplace("content-type", "application/octet-stream");
  }
  headers["host"] = endpoint_.host;
  if (!credentials.access_key_id.empty()) {
    auto hash = hex(sha256(request.body));
    auto time = signing_time(system_clock::now() + seconds(clock_offset_s_));
    headers["x-amz-content-sha256"] = hash;
    headers["x-amz-date"] = time;
    if (!credentials.session_token.empty()) {
      headers["x-amz-security-token"] = credentials.session_token.reveal();
    }
    headers["authorization"] =
        authorization({.method = request.method,
                       .path = path,
                       .query = query,
                       .headers = headers,
                       .payload_hash = std::move(hash),
                       .time = std::move(time),
                       .region = endpoint_.region,
                       .service = "s3"},
                      credentials.access_key_id, credentials.secret.reveal());
  }
  HttpRequest signed_request{.method = request.method,
                             .url = fmt::format("{}://{}{}{}{}", endpoint_.scheme, endpoint_.host,
                                                path, query.empty() ? "" : "?", query),
                             .headers = {},
                             .body = request.body,
                             .into = request.into};
  signed_request.headers.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    signed_request.headers.push_back(fmt::format("{}: {}", name, value));
  }
  return signed_request;
}

bool S3Client::may_pass(const Request& request, const HttpAnswer& answer,
                        const Credentials& credentials, Attempt& attempt) {
  const auto refusal = refusal_of(answer);
  const auto text = fmt::format("{}: {}{}{}", what(request), refusal.code,
                                refusal.message.empty() ? "" : ": ", refusal.message);
  if (is_passing(answer.status, refusal.code)) {
    attempt.trouble = text;
    return true;
  }
  if (is_expired(refusal.code) && !std::exchange(attempt.renewed, true) &&
      credentials_.renew(credentials)) {
    return true;
  }
  const auto ahead = clock_ahead_s(answer);
  const bool is_skewed = std::abs(ahead - clock_offset_s_) > kSkewSeconds;
  if (answer.status == 403 && is_skewed && !std::exchange(attempt.clock_corrected, true)) {
    Log().warn("{}: the clock of this machine is {} s {} the store's; signing by that one",
               what(request), std::abs(ahead), ahead > 0 ? "behind" : "ahead of");
    clock_offset_s_ = ahead;
    return true;
  }
  throw S3Error(answer.status >= 500 ? Blame::external : Blame::user,
                text + way_out(answer, refusal, endpoint_, credentials), answer.status,
                refusal.code);
}

/// Throws Stopped.
void S3Client::pause(int attempt) {
  const auto most = std::min(kLongestPause, kFirstPause * (1 << std::min(attempt - 1, 16)));
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto wait =
      std::uniform_int_distribution<std::int64_t>(most.count() / 2, most.count())(random);
  std::unique_lock guard(lock_);
  waiting_.wait_for(guard, stop_, milliseconds(wait), [] { return false; });
  if (stop_.stop_requested()) {
    throw Stopped();
  }
}

HttpAnswer S3Client::send(const Request& request) {
  for (Attempt attempt;; ++attempt.number) {
    const auto credentials = credentials_.get(stop_);
    auto answer = http_.send(sign(request, credentials), stop_);
    if (answer && answer->is_good()) {
      if (attempt.number > attempts_max_) {
        Log().info("S3 at {} answers again", endpoint_.host);
      }
      return *std::move(answer);
    }
    if (answer) {
      may_pass(request, *answer, credentials, attempt);
    } else {
      attempt.trouble = fmt::format("{}: {}", what(request), answer.error().text);
      if (answer.error().is_lasting) {
        throw Error(Blame::user, attempt.trouble);
      }
    }
    if (attempt.number == attempts_max_ && request.must_pass) {
      Log().warn("{} (tried {}); going on trying", attempt.trouble,
                 human_count(attempt.number, "time"));
    } else if (attempt.number >= attempts_max_ && !request.must_pass) {
      throw Error(
          Blame::external,
          fmt::format("{} (tried {})", attempt.trouble, human_count(attempt.number, "time")),
          Retry::yes);
    }
    pause(attempt.number);
  }
}

}  // namespace millrace::s3
