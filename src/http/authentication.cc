#include "http/authentication.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "http/header_values.h"

namespace millrace::http {

Authentication::Authentication(const std::map<std::string, UserOptions>& users) {
  users_.reserve(users.size());
  for (const auto& [name, options] : users) {
    users_.push_back({name, options.permission});
    for (const Secret& token : options.tokens) {
      add(token.reveal(), true, users_.size() - 1);
      add(name + ":" + token.reveal(), false, users_.size() - 1);  // browsers ask for a password
    }
    if (!options.password.empty()) {
      add(name + ":" + options.password.reveal(), false, users_.size() - 1);
    }
  }
  if (std::ranges::any_of(secrets_, &KnownSecret::is_token)) {
    challenges_.push_back({"WWW-Authenticate", R"(Bearer realm="millrace")"});
  }
  if (is_needed()) {
    challenges_.push_back({"WWW-Authenticate", R"(Basic realm="millrace", charset="UTF-8")"});
  }
}

Authentication::Digest Authentication::digest_of(std::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

void Authentication::add(std::string_view secret, bool is_token, std::size_t user) {
  secrets_.push_back({digest_of(secret), is_token, user});
}

const Authentication::User* Authentication::user_of(std::string_view authorization) const {
  const Credentials given = read_authorization(authorization);
  if (given.kind != Credentials::Kind::bearer && given.kind != Credentials::Kind::basic) {
    return nullptr;
  }
  const bool is_token = given.kind == Credentials::Kind::bearer;
  const Digest digest = digest_of(given.secret);
  const User* found = nullptr;
  // To the end, even if it is found: the time it takes says nothing.
  for (const KnownSecret& each : secrets_) {
    const bool same = CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) == 0;
    if (same && each.is_token == is_token) {
      found = &users_[each.user];
    }
  }
  return found;
}

}  // namespace millrace::http
