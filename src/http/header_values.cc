#include "http/header_values.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"

namespace millrace::http {
namespace {

/// A weight in thousandths, of "q=0.5"; section 12.4.2. nullopt: it is none.
std::optional<int> read_weight(std::string_view text) {
  if (text.size() < 3 || text.size() > 7 || (text[0] != 'q' && text[0] != 'Q') || text[1] != '=' ||
      (text[2] != '0' && text[2] != '1') || (text.size() > 3 && text[3] != '.')) {
    return std::nullopt;
  }
  int weight = text[2] == '1' ? 1000 : 0;
  int unit = 100;
  for (std::size_t i = 4; i < text.size(); ++i, unit /= 10) {
    if (!is_digit(text[i])) {
      return std::nullopt;
    }
    weight += (text[i] - '0') * unit;
  }
  return weight <= 1000 ? std::optional(weight) : std::nullopt;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  if (accept_encoding.empty()) {
    return false;
  }
  std::optional<int> gzip;
  std::optional<int> identity;
  std::optional<int> any;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view each = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(comma == std::string_view::npos ? accept_encoding.size()
                                                                  : comma + 1);
    const std::size_t semicolon = each.find(';');
    const std::string_view coding = trim(each.substr(0, semicolon));
    const auto weight = semicolon == std::string_view::npos
                            ? std::optional(1000)
                            : read_weight(trim(each.substr(semicolon + 1)));
    if (!weight) {
      return false;
    }
    if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) {
      gzip = std::max(gzip.value_or(0), weight.value());
    } else if (equal_ignoring_case(coding, "identity")) {
      identity = weight;
    } else if (coding == "*") {
      any = weight;
    }
  }
  const int ours = gzip ? *gzip : any.value_or(0);
  return ours > 0 && ours >= identity.value_or(0);
}

Credentials read_authorization(std::string_view value) {
  value = trim(value);
  if (value.empty()) {
    return {};
  }
  const std::size_t space = value.find(' ');
  const std::string_view scheme = value.substr(0, space);
  const std::string_view rest =
      space == std::string_view::npos ? std::string_view() : trim(value.substr(space));
  Credentials credentials{.kind = Credentials::Kind::other};
  if (equal_ignoring_case(scheme, "bearer") && !rest.empty()) {
    credentials.kind = Credentials::Kind::bearer;
    credentials.secret = rest;
  } else if (equal_ignoring_case(scheme, "basic") && !rest.empty()) {
    if (decode_base64(rest, credentials.secret, Base64Padding::optional) &&
        credentials.secret.find(':') != std::string::npos) {
      credentials.kind = Credentials::Kind::basic;
    } else {
      credentials.secret.clear();
    }
  }
  return credentials;
}

bool is_compressible(std::string_view content_type) {
  static constexpr std::array<std::string_view, 9> kTypes = {
      "application/json",     "application/javascript",       "application/xml",
      "application/x-ndjson", "application/ndjson",           "application/yaml",
      "application/wasm",     "application/openmetrics-text", "application/manifest+json"};
  const std::string type = to_lower(trim(content_type.substr(0, content_type.find(';'))));
  return (type.starts_with("text/") && type != "text/event-stream") || type.ends_with("+json") ||
         type.ends_with("+xml") || std::ranges::find(kTypes, type) != kTypes.end();
}

bool is_header_name(std::string_view text) noexcept {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) noexcept {
  return std::ranges::none_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

bool is_safe_method(std::string_view method) noexcept {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace millrace::http
