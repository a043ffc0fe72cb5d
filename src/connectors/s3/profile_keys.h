// The key of a profile of AWS's shared files: its own, that of a role, of a login by SSO, or what a
// command says.
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "connectors/s3/key_services.h"
#include "connectors/s3/profile.h"

namespace millrace::s3 {

/// Used by one thread.
class ProfileKeys {
 public:
  ProfileKeys(const Environment& environment, KeyServices& services,
              std::chrono::system_clock::time_point now)
      : environment_(environment), services_(services), now_(now) {}

  /// nullopt: there is no such profile, or it says nothing of a key. Throws Error for one that
  /// can't be had.
  [[nodiscard]] std::optional<Credentials> of(const std::string& name, const std::stop_token& stop);
  /// For people, when of() gave none.
  [[nodiscard]] std::string why_none(const std::string& name) const;

 private:
  [[nodiscard]] Credentials of_role(const std::string& name, const Profile& profile,
                                    const std::stop_token& stop);
  /// Who asks for the role of a profile.
  [[nodiscard]] Credentials of_source(const std::string& name, const Profile& profile,
                                      const std::stop_token& stop);
  [[nodiscard]] Credentials of_sso(const std::string& name, const Profile& profile,
                                   const std::stop_token& stop);

  const Environment& environment_;
  KeyServices& services_;
  std::chrono::system_clock::time_point now_;
  std::set<std::string> seen_;  ///< profiles whose roles are asked for by each other
};

}  // namespace millrace::s3
