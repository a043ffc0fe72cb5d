#include "connectors/mysql/charset.h"

#include <mariadb/mysql.h>

#include <array>

namespace millrace::mysql {

namespace {

/// The names that iconv has for character sets, where they differ from those of libmariadb.
std::string iconv_name(std::string_view charset, std::string_view encoding) {
  if (charset == "latin1") {
    return "CP1252";  // whatever it is called
  }
  if (charset == "utf16" || charset == "utf32") {
    return charset == "utf16" ? "UTF-16BE" : "UTF-32BE";
  }
  return std::string(encoding);
}

const iconv_t kNone = reinterpret_cast<iconv_t>(-1);  // NOLINT: as iconv_open() says it

}  // namespace

iconv_t Charsets::handle_of(unsigned collation) {
  const auto known = handles_.find(collation);
  if (known != handles_.end()) {
    return known->second.get();
  }
  const auto* charset = mariadb_get_charset_by_nr(collation);
  const std::string_view name = charset == nullptr ? "utf8mb4" : charset->csname;
  iconv_t handle = nullptr;
  if (!name.starts_with("utf8") && name != "ascii" && name != "binary") {
    handle = iconv_open("UTF-8", iconv_name(name, charset->encoding).c_str());
  }
  // What can't be opened must not be closed.
  return handle == kNone ? kNone : handles_.emplace(collation, handle).first->second.get();
}

bool Charsets::is_utf8(unsigned collation) { return handle_of(collation) == nullptr; }

bool Charsets::convert(unsigned collation, std::string_view text, std::string& to) {
  const auto handle = handle_of(collation);
  if (handle == kNone) {
    return false;
  }
  std::array<char, 512> room{};
  auto* from = const_cast<char*>(text.data());  // NOLINT: only read
  auto left = text.size();
  iconv(handle, nullptr, nullptr, nullptr, nullptr);  // as new
  while (left > 0) {
    auto* out = room.data();
    auto free = room.size();
    const auto before = left;
    iconv(handle, &from, &left, &out, &free);
    to.append(room.data(), room.size() - free);
    if (left == before) {
      return false;  // nothing moves: what comes next is no character
    }
  }
  return true;
}

}  // namespace millrace::mysql
