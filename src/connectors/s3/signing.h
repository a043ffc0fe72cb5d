// Signatures of requests: AWS Signature Version 4.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::s3 {

/// SHA-256, 32 bytes.
[[nodiscard]] std::string sha256(std::string_view bytes);
/// Names of files with logins, nothing that has to be safe.
[[nodiscard]] std::string sha1(std::string_view bytes);
[[nodiscard]] std::string md5(std::string_view bytes);
[[nodiscard]] std::string hex(std::string_view bytes);
[[nodiscard]] std::string base64(std::string_view bytes);

/// Percent-encoded, all but letters, digits and `-._~`; `keep_slash`: but for slashes, too.
[[nodiscard]] std::string percent_encoded(std::string_view text, bool keep_slash = false);

using Query = std::vector<std::pair<std::string, std::string>>;
/// `a=1&b=%20`, sorted as signatures want it.
[[nodiscard]] std::string query_text(const Query& query);

/// What a signature covers.
struct ToSign {
  std::string method;
  std::string path;                            ///< encoded
  std::string query;                           ///< as query_text() gives it
  std::map<std::string, std::string> headers;  ///< by lower-case name; must have `host`
  std::string payload_hash;                    ///< in hex
  std::string time;                            ///< 20130524T000000Z
  std::string region;
  std::string service;
};

/// The value of the Authorization header.
[[nodiscard]] std::string authorization(const ToSign& request, std::string_view access_key_id,
                                        std::string_view secret);

/// 20130524T000000Z
[[nodiscard]] std::string signing_time(std::chrono::system_clock::time_point time);

}  // namespace millrace::s3
