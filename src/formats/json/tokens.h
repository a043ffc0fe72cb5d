// Where the tokens of a JSON text begin, found by simdjson's SIMD kernels (its "stage 1", on which
// its own parsers are built, too).
//
// Why not simdjson's on-demand parser: it does not look at what it skips, it wants padding behind
// the text, and without -march it is compiled for no SIMD at all, whereas stage 1 chooses its
// kernel when the program runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::json {

/// Longer records are malformed.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 30U;

/// Finds tokens; its memory is used again for the next text. Used by one thread.
class Tokens {
 public:
  Tokens();
  ~Tokens();
  Tokens(Tokens&&) noexcept;
  Tokens& operator=(Tokens&&) noexcept;

  /// Takes a text apart; nullptr: done. Else what is wrong with it: bytes that are not UTF-8, a
  /// string that doesn't end, a control character in a string, nothing at all. Reads no byte behind
  /// the text; of the grammar, nothing is checked yet.
  [[nodiscard]] const char* find(std::string_view text);

  /// The offset of each token's first byte: { } [ ] : , and the first byte of strings, numbers and
  /// words. A token ends, but for spaces, where the next one begins; the one behind the last is the
  /// text's length.
  [[nodiscard]] const std::uint32_t* begin() const noexcept { return begin_; }
  [[nodiscard]] const std::uint32_t* end() const noexcept { return end_; }

 private:
  struct Finder;  // keeps simdjson's header out of ours

  std::unique_ptr<Finder> finder_;
  std::size_t capacity_ = 0;
  const std::uint32_t* begin_ = nullptr;
  const std::uint32_t* end_ = nullptr;
};

}  // namespace millrace::json
