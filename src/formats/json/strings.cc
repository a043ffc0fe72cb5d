#include "formats/json/strings.h"

#include <cstdint>

#include "base/strings.h"

namespace millrace::json {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

/// What follows a backslash, and the character that it means; \u is not among them.
char meaning_of(char escape) {
  switch (escape) {
    case '"':
    case '\\':
    case '/':
      return escape;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

/// The 16 bits of "\u12ab" at the front of a text; -1: there are none.
int unit_at(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') {
    return -1;
  }
  int unit = 0;
  for (const char c : text.substr(2, 4)) {
    const int digit = hex_digit(c);
    if (digit < 0) {
      return -1;
    }
    unit = unit * 16 + digit;
  }
  return unit;
}

/// Takes "\u12ab", or the two of a surrogate pair, from the front of a text.
bool take_code_point(std::string_view& text, std::uint32_t& code) {
  const int unit = unit_at(text);
  if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
    return false;
  }
  text.remove_prefix(6);
  code = static_cast<std::uint32_t>(unit);
  if (unit < 0xD800 || unit > 0xDBFF) {
    return true;
  }
  const int second = unit_at(text);
  if (second < 0xDC00 || second > 0xDFFF) {
    return false;
  }
  text.remove_prefix(6);
  code = 0x10000U + ((code - 0xD800U) << 10U) + (static_cast<std::uint32_t>(second) - 0xDC00U);
  return true;
}

void add_utf8(std::uint32_t code, std::string& to) {
  if (code < 0x80) {
    to += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    to += static_cast<char>(0xC0U | (code >> 6U));
  } else if (code < 0x10000) {
    to += static_cast<char>(0xE0U | (code >> 12U));
    to += static_cast<char>(0x80U | ((code >> 6U) & 0x3FU));
  } else {
    to += static_cast<char>(0xF0U | (code >> 18U));
    to += static_cast<char>(0x80U | ((code >> 12U) & 0x3FU));
    to += static_cast<char>(0x80U | ((code >> 6U) & 0x3FU));
  }
  to += static_cast<char>(0x80U | (code & 0x3FU));
}

/// Walks over the escapes of a text; `to`: where its meaning goes, if anywhere.
bool read_escapes(std::string_view rest, std::string* to) {
  for (;;) {
    const auto plain = rest.find('\\');
    if (to != nullptr) {
      to->append(rest.substr(0, plain));
    }
    if (plain == std::string_view::npos) {
      return true;
    }
    rest.remove_prefix(plain);
    std::uint32_t code = 0;
    if (rest.size() > 1 && rest[1] != 'u') {
      code = static_cast<std::uint8_t>(meaning_of(rest[1]));
      if (code == 0) {
        return false;
      }
      rest.remove_prefix(2);
    } else if (!take_code_point(rest, code)) {
      return false;
    }
    if (to != nullptr) {
      add_utf8(code, *to);
    }
  }
}

}  // namespace

bool escapes_are_valid(std::string_view inside) noexcept { return read_escapes(inside, nullptr); }

bool unescape(std::string_view inside, std::string& to) {
  to.clear();
  return read_escapes(inside, &to);
}

void write_string(std::string_view text, std::string& to) {
  to += '"';
  std::size_t written = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') {
      continue;
    }
    to.append(text.substr(written, i - written));
    written = i + 1;
    to += '\\';
    constexpr std::string_view kShort = "\"\"\\\\\bb\ff\nn\rr\tt";  // a character and its escape
    std::size_t at = 0;
    while (at < kShort.size() && kShort[at] != text[i]) {
      at += 2;
    }
    if (at < kShort.size()) {
      to += kShort[at + 1];
    } else {
      to += "u00";
      to += kHex[c >> 4U];
      to += kHex[c & 0xFU];
    }
  }
  to.append(text.substr(written));
  to += '"';
}

}  // namespace millrace::json
