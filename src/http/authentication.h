// Who asks: bearer tokens (RFC 6750) and basic authentication (RFC 7617).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/options.h"

namespace millrace::http {

/// Knows the users of a server. Const calls come from all threads. Secrets are kept as their
/// SHA-256, and compared in a time that depends on their number alone.
class Authentication {
 public:
  struct User {
    std::string name;
    Permission permission = Permission::none;
  };

  explicit Authentication(const std::map<std::string, UserOptions>& users);

  [[nodiscard]] bool is_needed() const noexcept { return !secrets_.empty(); }
  /// Of the value of an Authorization header; nullptr: nobody we know. Valid as long as this.
  [[nodiscard]] const User* user_of(std::string_view authorization) const;
  /// What to tell somebody whom we do not know: WWW-Authenticate, section 11.6.1 of RFC 9110.
  [[nodiscard]] const std::vector<Header>& challenges() const noexcept { return challenges_; }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct KnownSecret {
    Digest digest;
    bool is_token;
    std::size_t user;
  };
  static Digest digest_of(std::string_view text);
  void add(std::string_view secret, bool is_token, std::size_t user);

  std::vector<User> users_;
  std::vector<KnownSecret> secrets_;
  std::vector<Header> challenges_;
};

}  // namespace millrace::http
