// Reads text files, also compressed ones, as blocks of whole records that threads decode side by
// side.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "core/source.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// The bytes of a block. A chunk whose strings lie in it keeps it alive.
class TextBuffer final : public duckdb::VectorBuffer {
 public:
  explicit TextBuffer(std::size_t capacity);
  [[nodiscard]] char* data() noexcept { return data_.get(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t capacity_;
};

/// Whole records of a file.
struct TextBlock {
  duckdb::buffer_ptr<TextBuffer> buffer;  // what `text` lies in, readable for some bytes after it
  std::string_view text;
  std::int64_t first_line = 1;
  bool at_end = false;            // the file ends here, perhaps within a record
  const char* problem = nullptr;  // the text is one malformed record, for this reason
  int part = 0;                   // ... or a part of it: 1, 2, ...
};

/// A line as it was cut off before its newline: CRLF leaves a CR.
[[nodiscard]] std::string_view without_line_end(std::string_view line) noexcept;

/// How often a byte occurs.
[[nodiscard]] std::int64_t count_of(char byte, const char* begin, const char* end) noexcept;

/// Tells the line of places in a block, which are asked for in ascending order.
class LineCounter {
 public:
  void begin(const TextBlock& block, char newline) noexcept {
    at_ = block.text.data();
    line_ = block.first_line;
    newline_ = newline;
  }
  [[nodiscard]] std::int64_t line_of(const char* place) noexcept {
    line_ += count_of(newline_, at_, place);
    at_ = place;
    return line_;
  }

 private:
  const char* at_ = nullptr;
  std::int64_t line_ = 1;
  char newline_ = '\n';
};

/// Knows where records end.
class RecordEnds {
 public:
  virtual ~RecordEnds() = default;
  /// How many bytes of the text hold whole records only. More text will come.
  [[nodiscard]] virtual std::size_t whole(std::string_view text) const = 0;
  [[nodiscard]] virtual char newline() const noexcept { return '\n'; }
};

/// One file, read once from its beginning to its end. Not thread-safe: TextFiles locks it.
class TextFile {
 public:
  /// `name`: what DuckDB calls it.
  TextFile(FileScan::File file, std::string name, std::int64_t max_record_bytes);

  [[nodiscard]] const std::string& path() const noexcept { return file_.path; }
  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr || done_; }
  void open(duckdb::ClientContext& context);
  /// Without the byte order mark; all there is if the file is shorter than a block.
  [[nodiscard]] std::string_view beginning();
  /// Reads on until `enough` says that the beginning is, or the file ends.
  bool extend_beginning();
  /// Leaves out the first bytes of the beginning: a header.
  void skip(std::size_t bytes, char newline);
  /// False at the end.
  bool next(const RecordEnds& ends, TextBlock& block);

 private:
  void fill();
  void check_encoding();
  void grow();
  bool next_part(char newline, TextBlock& block);
  void take_oversized(const RecordEnds& ends, TextBlock& block);
  void take_part(std::size_t bytes, char newline, TextBlock& block);
  void take(std::size_t bytes, char newline, TextBlock& block);

  FileScan::File file_;
  std::string name_;
  std::int64_t max_record_bytes_;
  duckdb::unique_ptr<duckdb::FileHandle> handle_;
  duckdb::buffer_ptr<TextBuffer> buffer_;  // what is read, but not given out yet
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool at_end_ = false;
  bool done_ = false;
  int parts_ = 0;  // given out of a line that is too long; 0: not in one
  std::int64_t line_ = 1;
};

}  // namespace millrace::sql
