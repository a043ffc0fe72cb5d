// Texts of the binlog, which are in the character sets of their columns.
#pragma once

#include <iconv.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::mysql {

/// Makes UTF-8 of texts. Used by one thread.
class Charsets {
 public:
  /// Whether texts of a collation, by its number, are UTF-8 already, or bytes.
  [[nodiscard]] bool is_utf8(unsigned collation);
  /// Appends a text as UTF-8; false: it is none of its character set, which may be one that this
  /// machine does not know.
  [[nodiscard]] bool convert(unsigned collation, std::string_view text, std::string& to);

 private:
  struct Close {
    using pointer = iconv_t;  // NOLINT(readability-identifier-naming): unique_ptr's word
    void operator()(iconv_t handle) const noexcept { iconv_close(handle); }
  };
  using Handle = std::unique_ptr<void, Close>;

  /// nullptr: UTF-8.
  iconv_t handle_of(unsigned collation);

  std::map<unsigned, Handle> handles_;
};

}  // namespace millrace::mysql
