#include "sql/internal/file_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace millrace::sql {

namespace {

// Large enough that the lock and the copy of the cut record don't matter, small enough that a file
// of some megabytes keeps several threads busy and a block stays in a core's cache.
constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kPadding = 64;

constexpr const char* kTooLong = "longer than `max_line_bytes`";

}  // namespace

std::string_view without_line_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
  }
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

std::int64_t count_of(char byte, const char* begin, const char* end) noexcept {
  // Rounds of a fixed length with small sums: the compiler makes them SIMD.
  constexpr std::ptrdiff_t kRound = 128;
  std::int64_t count = 0;
  for (; end - begin >= kRound; begin += kRound) {
    std::uint8_t sum = 0;
    for (std::ptrdiff_t i = 0; i < kRound; ++i) {
      sum = static_cast<std::uint8_t>(sum + (begin[i] == byte ? 1 : 0));
    }
    count += sum;
  }
  return count + std::count(begin, end, byte);
}

TextBuffer::TextBuffer(std::size_t capacity)
    : duckdb::VectorBuffer(duckdb::VectorBufferType::OPAQUE_BUFFER),
      data_(std::make_unique_for_overwrite<char[]>(capacity + kPadding)),
      capacity_(capacity) {}

TextFile::TextFile(FileScan::File file, std::string name, std::int64_t max_record_bytes)
    : file_(std::move(file)),
      name_(std::move(name)),
      max_record_bytes_(std::max<std::int64_t>(max_record_bytes, 1)) {}

void TextFile::open(duckdb::ClientContext& context) {
  auto& files = duckdb::FileSystem::GetFileSystem(context);
  handle_ = files.OpenFile(
      name_, duckdb::FileFlags::FILE_FLAGS_READ | duckdb::FileCompressionType::AUTO_DETECT);
  std::size_t capacity = kBlockBytes;
  if (!handle_->IsPipe() &&
      handle_->GetFileCompressionType() == duckdb::FileCompressionType::UNCOMPRESSED) {
    capacity = std::min(capacity, static_cast<std::size_t>(file_.size) + 1);
  }
  buffer_ = duckdb::make_buffer<TextBuffer>(capacity);
  fill();
  check_encoding();
}

void TextFile::check_encoding() {
  const std::string_view text = beginning();
  if (text.starts_with("\xEF\xBB\xBF")) {
    begin_ += 3;
  } else if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw Error(Blame::external,
                fmt::format("`{}` is UTF-16; only UTF-8 can be read: convert it with "
                            "`iconv -f UTF-16 -t UTF-8`",
                            file_.path));
  }
}

std::string_view TextFile::beginning() { return {buffer_->data() + begin_, end_ - begin_}; }

bool TextFile::extend_beginning() {
  if (at_end_ || std::cmp_greater(end_ - begin_, max_record_bytes_)) {
    return false;
  }
  grow();
  fill();
  return true;
}

void TextFile::skip(std::size_t bytes, char newline) {
  line_ += count_of(newline, beginning().data(), beginning().data() + bytes);
  begin_ += bytes;
}

void TextFile::fill() {
  while (!at_end_ && end_ < buffer_->capacity()) {
    const auto got = handle_->Read(buffer_->data() + end_, buffer_->capacity() - end_);
    if (got <= 0) {
      at_end_ = true;
      handle_.reset();
      done_ = begin_ == end_;
    }
    end_ += static_cast<std::size_t>(std::max<std::int64_t>(got, 0));
  }
}

/// Makes room behind what is read, in a buffer of its own: the old one may be in use.
void TextFile::grow() {
  const std::size_t held = end_ - begin_;
  const std::size_t capacity = std::max(kBlockBytes, held * 2);
  auto bigger = duckdb::make_buffer<TextBuffer>(capacity);
  std::memcpy(bigger->data(), buffer_->data() + begin_, held);
  buffer_ = std::move(bigger);
  begin_ = 0;
  end_ = held;
}

void TextFile::take(std::size_t bytes, char newline, TextBlock& block) {
  block.buffer = buffer_;
  block.text = beginning().substr(0, bytes);
  block.first_line = line_;
  block.at_end = at_end_ && begin_ + bytes == end_;
  block.problem = nullptr;
  block.part = 0;
  line_ += count_of(newline, block.text.data(), block.text.data() + bytes);
  begin_ += bytes;
}

/// Gives out a part of a line that is too long to be held whole.
void TextFile::take_part(std::size_t bytes, char newline, TextBlock& block) {
  take(bytes, newline, block);
  block.problem = kTooLong;
  block.part = ++parts_;
}

/// The next part of a line that is too long. False if there is none: the line has ended.
bool TextFile::next_part(char newline, TextBlock& block) {
  grow();  // blocks given out may use the old buffer
  fill();
  const std::string_view text = beginning();
  const auto found = text.find(newline);
  if (found == std::string_view::npos && !at_end_) {
    take_part(place_to_cut(text), newline, block);
    return true;
  }
  take_part(found == std::string_view::npos ? text.size() : found + 1, newline, block);
  block.text = without_line_end(block.text);
  parts_ = 0;
  return !block.text.empty();
}

/// A record that is longer than allowed. If its first line is short, a quote was left open there,
/// and only that line is lost.
void TextFile::take_oversized(const RecordEnds& ends, TextBlock& block) {
  const std::string_view text = beginning();
  const auto newline = text.find(ends.newline());
  if (newline != std::string_view::npos) {
    take(newline + 1, ends.newline(), block);
    block.text = without_line_end(block.text);
    block.problem = "a quote is never closed";
    return;
  }
  take_part(place_to_cut(text), ends.newline(), block);
}

bool TextFile::next(const RecordEnds& ends, TextBlock& block) {
  if (parts_ > 0 && next_part(ends.newline(), block)) {
    return true;
  }
  if (done_ || (at_end_ && begin_ == end_)) {
    done_ = true;
    return false;
  }
  while (true) {
    if (end_ < buffer_->capacity()) {
      fill();
    }
    if (at_end_) {
      done_ = true;
      take(end_ - begin_, ends.newline(), block);
      return !block.text.empty();
    }
    const std::size_t whole = ends.whole(beginning());
    if (whole > 0) {
      take(whole, ends.newline(), block);
      grow();  // the cut record moves on to the next block
      return true;
    }
    if (std::cmp_greater(end_ - begin_, max_record_bytes_)) {
      take_oversized(ends, block);
      return true;
    }
    grow();
  }
}

}  // namespace millrace::sql
