// For tests: bytes as they are written in specifications.
#pragma once

#include <string>
#include <string_view>

namespace millrace::cassandra {

inline std::string hex(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 0xF];
  }
  return text;
}

}  // namespace millrace::cassandra
