// Values of headers that are more than a text. RFC 9110.
#pragma once

#include <string>
#include <string_view>

namespace millrace::http {

/// Whether gzip may be sent, and is not worse to the client than the plain form: Accept-Encoding,
/// section 12.5.3. What cannot be read is taken for a no.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

/// What an Authorization header gives; section 11.6.2.
struct Credentials {
  enum class Kind : unsigned char { none, bearer, basic, other };
  Kind kind = Kind::none;
  std::string secret;  ///< the token; of basic (RFC 7617) "name:password", decoded
};
/// A header of a known scheme that cannot be read is `other`.
[[nodiscard]] Credentials read_authorization(std::string_view value);

/// Whether a method changes nothing: section 9.2.1.
[[nodiscard]] bool is_safe_method(std::string_view method) noexcept;

/// Whether bodies of this Content-Type are text that gets smaller; event streams are not.
[[nodiscard]] bool is_compressible(std::string_view content_type);

/// Whether it may be the name, or the value, of a header; sections 5.1 and 5.5.
[[nodiscard]] bool is_header_name(std::string_view text) noexcept;
[[nodiscard]] bool is_header_value(std::string_view text) noexcept;

}  // namespace millrace::http
