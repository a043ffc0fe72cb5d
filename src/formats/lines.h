// Texts of any length, line by line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/input_file.h"

namespace millrace::formats {

/// Used by one thread.
class Lines {
 public:
  struct Line {
    std::string_view text;    ///< without its end, which is LF or CRLF; until the next one
    std::int64_t number = 0;  ///< from 1
    int part = 0;             ///< of a line too long to be held: 1, 2, ...; 0: it is whole
  };

  /// A line longer than about `max_bytes` comes in parts. Throws Error (external) if the text is
  /// UTF-16; a byte order mark of UTF-8 is left out.
  Lines(ReadBytes read, std::int64_t max_bytes);
  /// False at the end.
  bool next(Line& to);

 private:
  [[nodiscard]] std::string_view held() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void check_encoding();
  void fill();
  bool take(std::size_t bytes, std::size_t line_end, Line& to);

  ReadBytes read_;
  std::size_t held_max_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what is read, but not given out yet
  std::size_t end_ = 0;
  bool at_end_ = false;
  std::int64_t line_ = 1;
  int parts_ = 0;  // given out of the line at hand
};

}  // namespace millrace::formats
