#include "connectors/s3/credentials.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "connectors/s3/profile_keys.h"

namespace millrace::s3 {

namespace {

/// A key is asked for anew so long before it expires.
constexpr auto kRenewBefore = std::chrono::minutes(5);

std::string key_text(std::string_view id, std::string_view from) {
  return fmt::format("key {} {}", id, from);
}

}  // namespace

CredentialChain::CredentialChain(S3Options options, std::string region, Environment environment,
                                 Clock clock)
    : options_(std::move(options)),
      environment_(std::move(environment)),
      clock_(std::move(clock)),
      services_(std::move(region), environment_) {}

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
    if (auto found = of_files(stop)) {
      return *found;
    }
  } else {
    if (auto found = of_environment()) {
      return *found;
    }
    if (auto found = of_web_identity(stop)) {
      return *found;
    }
    if (auto found = of_files(stop)) {
      return *found;
    }
    if (auto found = services_.of_container(stop)) {
      return *found;
    }
    if (auto found = services_.of_machine(stop)) {
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

CredentialChain::Found CredentialChain::of_files(const std::stop_token& stop) {
  const auto name =
      options_.profile.empty() ? environment_("AWS_PROFILE").value_or("default") : options_.profile;
  ProfileKeys keys(environment_, services_, clock_());
  if (auto found = keys.of(name, stop)) {
    return found;
  }
  if (options_.profile.empty() && !environment_("AWS_PROFILE")) {
    return std::nullopt;
  }
  throw Error(Blame::user, keys.why_none(name));
}

CredentialChain::Found CredentialChain::of_web_identity(const std::stop_token& stop) {
  const auto file = environment_("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = environment_("AWS_ROLE_ARN");
  if (!file || !role) {
    return std::nullopt;
  }
  return services_.with_web_identity(
      {.arn = *role, .session_name = environment_("AWS_ROLE_SESSION_NAME").value_or("millrace")},
      *file, stop);
}

}  // namespace millrace::s3
