#include "formats/lines.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace millrace::formats {

namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kMarkBytes = 3;  // of the longest byte order mark

}  // namespace

Lines::Lines(ReadBytes read, std::int64_t max_bytes)
    : read_(std::move(read)),
      held_max_(
          std::max(kBlockBytes, static_cast<std::size_t>(std::max<std::int64_t>(max_bytes, 1)))) {
  while (!at_end_ && end_ < kMarkBytes) {
    fill();
  }
  check_encoding();
}

void Lines::check_encoding() {
  if (held().starts_with("\xEF\xBB\xBF")) {
    begin_ += kMarkBytes;
  } else if (held().starts_with("\xFF\xFE") || held().starts_with("\xFE\xFF")) {
    throw Error(Blame::external,
                "it is UTF-16; only UTF-8 can be read: convert it with `iconv -f UTF-16 -t UTF-8`");
  }
}

/// Makes room behind what is held, and reads on.
void Lines::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    buffer_.resize(std::max(kBlockBytes, buffer_.size() * 2));
  }
  const auto got = read_(buffer_.data() + end_, buffer_.size() - end_);
  at_end_ = got == 0;
  end_ += got;
}

/// False: it is the empty end of a line that was given out in parts.
bool Lines::take(std::size_t bytes, std::size_t line_end, Line& to) {
  to.text = held().substr(0, bytes);
  if (to.text.ends_with('\r')) {
    to.text.remove_suffix(1);
  }
  to.number = line_++;
  to.part = parts_ > 0 ? parts_ + 1 : 0;
  parts_ = 0;
  begin_ += bytes + line_end;
  return to.part == 0 || !to.text.empty();
}

bool Lines::next(Line& to) {
  std::size_t searched = 0;
  while (true) {
    const auto text = held();
    if (const auto end = text.find('\n', searched); end != std::string_view::npos) {
      searched = 0;
      if (take(end, 1, to)) {
        return true;
      }
    } else if (at_end_) {
      return !text.empty() && take(text.size(), 0, to);
    } else if (text.size() > held_max_ || (parts_ > 0 && text.size() >= kBlockBytes)) {
      const auto bytes = place_to_cut(text);
      to = {.text = text.substr(0, bytes), .number = line_, .part = ++parts_};
      begin_ += bytes;
      return true;
    } else {
      searched = text.size();
      fill();
    }
  }
}

}  // namespace millrace::formats
