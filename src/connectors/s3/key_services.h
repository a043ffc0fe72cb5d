// Services that give keys for S3 to those who may have them: STS, SSO, a container's and a
// machine's endpoints.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/options.h"
#include "connectors/http_client.h"
#include "connectors/s3/profile.h"

namespace millrace::s3 {

/// A key, and where it is from.
struct Credentials {
  std::string access_key_id;  ///< empty: we say nothing of who we are
  Secret secret;
  Secret session_token;
  std::string from;  ///< for messages: "key AKIA... of the profile `etl`"
  std::optional<std::chrono::system_clock::time_point> expires;
};

/// Out of JSON in the form of AWS's endpoints and of a `credential_process`; `token`: what it calls
/// the session's. Throws Error with Retry::yes if there is no key in it.
[[nodiscard]] Credentials credentials_of_json(const std::string& text, const char* token,
                                              const std::string& whom, std::string_view from);

/// A role that is to be assumed.
struct RoleWish {
  std::string arn;
  std::string session_name = "millrace";
  std::string external_id;
  std::string duration_s;  ///< empty: the service's own
};

/// A role of an account, as IAM Identity Center knows them.
struct SsoWish {
  std::string region;
  std::string account_id;
  std::string role_name;
  Secret token;  ///< of the login
};

/// Asked by one thread at a time. Calls throw Error: with Retry::yes if the service does not
/// answer, or not as it should.
class KeyServices {
 public:
  KeyServices(std::string region, Environment environment);

  [[nodiscard]] Credentials with_web_identity(const RoleWish& role, const std::string& token_file,
                                              const std::stop_token& stop);
  /// `by`: who asks for the role.
  [[nodiscard]] Credentials assume_role(const RoleWish& role, const Credentials& by,
                                        std::chrono::system_clock::time_point now,
                                        const std::stop_token& stop);
  [[nodiscard]] Credentials with_sso(const SsoWish& wish, const std::stop_token& stop);
  /// nullopt: this is no container.
  [[nodiscard]] std::optional<Credentials> of_container(const std::stop_token& stop);
  /// nullopt: this is no machine of EC2.
  [[nodiscard]] std::optional<Credentials> of_machine(const std::stop_token& stop);

 private:
  [[nodiscard]] HttpAnswer ask(const HttpRequest& request, const std::string& whom,
                               const std::stop_token& stop);
  [[nodiscard]] std::string sts() const;

  std::string region_;
  Environment environment_;
  HttpClient http_;
};

}  // namespace millrace::s3
