#include "base/utf8.h"

#include "base/strings.h"

namespace millrace {

std::string as_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (const auto bad = find_invalid_utf8(text)) {
    valid += text.substr(0, *bad);
    valid += "\xEF\xBF\xBD";
    text.remove_prefix(*bad + 1);
  }
  valid += text;
  return valid;
}

std::size_t place_to_cut(std::string_view text) noexcept {
  constexpr std::size_t kLongest = 4;  // bytes of a character
  for (std::size_t back = 1; back <= kLongest && back < text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) != 0x80U) {  // a character begins here
      const std::size_t length = byte < 0xC0U ? 1 : byte < 0xE0U ? 2 : byte < 0xF0U ? 3 : 4;
      return length > back || byte == '\r' ? text.size() - back : text.size();
    }
  }
  return text.size();  // it is not UTF-8: any place is as good
}

}  // namespace millrace
