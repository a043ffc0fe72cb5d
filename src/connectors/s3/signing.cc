#include "connectors/s3/signing.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

namespace millrace::s3 {

namespace {

std::string digest(std::string_view bytes, const EVP_MD* kind) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, kind, nullptr) != 1) {
    throw std::bad_alloc();  // nothing else can be wrong
  }
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(),
           &size) == nullptr) {
    throw std::bad_alloc();
  }
  return {reinterpret_cast<const char*>(out.data()), size};
}

bool is_unreserved(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

/// Without spaces at the ends, and one where several follow each other.
std::string folded(std::string_view value) {
  std::string result;
  for (const char c : value) {
    if (c != ' ' || (!result.empty() && result.back() != ' ')) {
      result += c;
    }
  }
  if (result.ends_with(' ')) {
    result.pop_back();
  }
  return result;
}

}  // namespace

std::string sha256(std::string_view bytes) { return digest(bytes, EVP_sha256()); }
std::string sha1(std::string_view bytes) { return digest(bytes, EVP_sha1()); }
std::string md5(std::string_view bytes) { return digest(bytes, EVP_md5()); }

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string base64(std::string_view bytes) {
  std::string text(((bytes.size() + 2) / 3) * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string percent_encoded(std::string_view text, bool keep_slash) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      result += c;
    } else {
      fmt::format_to(std::back_inserter(result), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

std::string query_text(const Query& query) {
  std::vector<std::string> parts;
  parts.reserve(query.size());
  for (const auto& [name, value] : query) {
    parts.push_back(fmt::format("{}={}", percent_encoded(name), percent_encoded(value)));
  }
  std::ranges::sort(parts);
  return fmt::format("{}", fmt::join(parts, "&"));
}

std::string authorization(const ToSign& request, std::string_view access_key_id,
                          std::string_view secret) {
  std::string headers;
  std::string names;
  for (const auto& [name, value] : request.headers) {
    fmt::format_to(std::back_inserter(headers), "{}:{}\n", name, folded(value));
    fmt::format_to(std::back_inserter(names), "{}{}", names.empty() ? "" : ";", name);
  }
  const auto canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path,
                                     request.query, headers, names, request.payload_hash);
  const std::string_view day = std::string_view(request.time).substr(0, 8);
  const auto scope = fmt::format("{}/{}/{}/aws4_request", day, request.region, request.service);
  const auto text =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", request.time, scope, hex(sha256(canonical)));
  std::string key = hmac(fmt::format("AWS4{}", secret), day);
  for (const std::string_view part :
       {std::string_view(request.region), std::string_view(request.service),
        std::string_view("aws4_request")}) {
    key = hmac(key, part);
  }
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     access_key_id, scope, names, hex(hmac(key, text)));
}

std::string signing_time(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace millrace::s3
