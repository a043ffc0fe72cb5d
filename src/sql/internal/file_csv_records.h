// Finds records and fields in CSV text, byte by byte right also where the text is not.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::sql {

/// The characters that have a meaning in a CSV file.
struct CsvDialect {
  char delimiter = ',';
  char quote = '"';  ///< 0: quotes mean nothing
  char escape = '"';
  char newline = '\n';  ///< '\r' in files that know no other line end
};

/// So many bytes after the text must be readable (their values don't matter).
inline constexpr std::size_t kCsvPadding = 64;

/// A field as it lies in the text.
struct CsvField {
  const char* data = nullptr;  ///< without the quotes around it
  std::uint32_t size = 0;
  bool quoted = false;
  bool escaped = false;  ///< holds doubled quotes or escapes: see unescape()

  [[nodiscard]] std::string_view text() const noexcept { return {data, size}; }
};

/// The value of a field that has `escaped` set.
[[nodiscard]] std::string unescape(std::string_view field, const CsvDialect& dialect);

/// Steps through the bytes of a text that can end a field, 64 bytes at a time.
class CsvMarks {
 public:
  CsvMarks(const CsvDialect& dialect, const char* begin, const char* end) noexcept
      : dialect_(dialect), end_(end) {
    go_to(begin);
  }
  /// The next mark, which is passed; the end of the text if there is none.
  const char* next() noexcept {
    while (mask_ == 0) {
      base_ += 64;
      if (base_ >= end_) {
        return end_;
      }
      mask_ = mask_at(base_);
    }
    const char* mark = base_ + std::countr_zero(mask_);
    mask_ &= mask_ - 1;
    return mark < end_ ? mark : end_;
  }
  /// Goes on at any place, backwards too.
  void go_to(const char* place) noexcept {
    base_ = place;
    mask_ = base_ < end_ ? mask_at(base_) : 0;
  }

 private:
  [[nodiscard]] std::uint64_t mask_at(const char* at) const noexcept {
#if defined(__SSE2__)
    std::uint64_t mask = 0;
    const __m128i delimiter = _mm_set1_epi8(dialect_.delimiter);
    const __m128i newline = _mm_set1_epi8(dialect_.newline);
    const __m128i quote = _mm_set1_epi8(quote_or_delimiter());
    const __m128i escape = _mm_set1_epi8(escape_or_delimiter());
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + (16 * i)));
      const __m128i hits = _mm_or_si128(
          _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiter), _mm_cmpeq_epi8(bytes, newline)),
          _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape)));
      const auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(hits));
      mask |= static_cast<std::uint64_t>(bits) << (16 * i);
    }
    return mask;
#else
    std::uint64_t mask = 0;
    for (int i = 0; i < 64; ++i) {
      const char c = at[i];
      const bool hit = c == dialect_.delimiter || c == dialect_.newline ||
                       c == quote_or_delimiter() || c == escape_or_delimiter();
      mask |= static_cast<std::uint64_t>(hit) << i;
    }
    return mask;
#endif
  }
  // A character that does not exist must not match a NUL byte of the text.
  [[nodiscard]] char quote_or_delimiter() const noexcept {
    return dialect_.quote != 0 ? dialect_.quote : dialect_.delimiter;
  }
  [[nodiscard]] char escape_or_delimiter() const noexcept {
    return dialect_.quote != 0 && dialect_.escape != 0 ? dialect_.escape : dialect_.delimiter;
  }

  CsvDialect dialect_;
  const char* end_;
  const char* base_ = nullptr;
  std::uint64_t mask_ = 0;
};

/// Walks through the records of a text.
///
/// RFC 4180, with what real files need besides: a record may end with LF or CRLF, also mixed;
/// quotes inside a field that does not begin with one are plain characters; blank lines are no
/// records. Where quoting is broken (text after a closing quote, or a quote that is never closed),
/// only the line it begins on is lost: the walk goes on at the next line, so that the rows after it
/// survive.
class CsvRecords {
 public:
  enum class Found : std::uint8_t {
    record,
    broken,      ///< quoting is wrong; text() is the line, problem() says what
    incomplete,  ///< the text ends inside a record, and more text will come
    end,
  };

  /// `at_end`: the file ends where the text ends. Otherwise more will come.
  CsvRecords(const CsvDialect& dialect, std::string_view text, bool at_end) noexcept
      : dialect_(dialect),
        end_(text.data() + text.size()),
        start_(text.data()),
        next_(text.data()),
        at_end_(at_end),
        marks_(dialect, text.data(), text.data() + text.size()) {}

  /// The next record. `fields` is overwritten; it never shrinks, so compare field_count().
  Found next(std::vector<CsvField>& fields);
  [[nodiscard]] std::size_t field_count() const noexcept { return count_; }
  /// The record found last, without its line end.
  [[nodiscard]] std::string_view text() const noexcept {
    return {start_, static_cast<std::size_t>(stop_ - start_)};
  }
  /// Where the next record begins.
  [[nodiscard]] const char* position() const noexcept { return next_; }
  [[nodiscard]] const char* problem() const noexcept { return problem_; }

 private:
  enum class Step : std::uint8_t {
    delimiter,
    newline,
    end,
    incomplete,
    text_after_quote,
    unclosed
  };

  Step field(const char* from, CsvField& into);
  Step quoted_field(const char* from, CsvField& into);
  bool skip_blank_lines();
  Found give_up(const char* problem);

  CsvDialect dialect_;
  const char* end_;
  const char* start_;           // of the record found last
  const char* stop_ = nullptr;  // its end
  const char* next_;            // of the record to come
  const char* field_end_ = nullptr;
  bool at_end_;
  std::size_t count_ = 0;
  const char* problem_ = "";
  CsvMarks marks_;
};

}  // namespace millrace::sql
