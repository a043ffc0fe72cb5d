// A way through the tokens of a record that checks the grammar as it goes, also of what it skips.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/json/tokens.h"

namespace millrace::json {

/// How deep values may lie in one another, in parts of a record that are only checked.
inline constexpr std::size_t kMaxSkippedDepth = 1024;

/// Stands on a token of a record. What returns false has failed for good: failure() says why. When
/// every value was either skipped or read and checked, and finish() was true, the record is valid
/// JSON (RFC 8259): UTF-8, grammar, numbers, words and escapes, with nothing behind it. Used by one
/// thread.
class Cursor {
 public:
  /// Stands on a record's first token. The record must stay until the next one.
  [[nodiscard]] bool start(std::string_view record);
  /// True at the end of the record; else something follows its value.
  [[nodiscard]] bool finish();
  /// "unexpected `}` at byte 17"
  [[nodiscard]] std::string failure() const;

  /// The first byte of the token; '\0' at the end.
  [[nodiscard]] char peek() const noexcept { return at_ == end_ ? '\0' : text_[*at_]; }
  /// Steps over a token if it is this mark.
  [[nodiscard]] bool take(char mark) noexcept {
    const bool there = peek() == mark;
    at_ += there ? 1 : 0;
    return there;
  }
  /// Steps over this mark, or fails.
  [[nodiscard]] bool expect(char mark) noexcept { return take(mark) || unexpected(); }
  /// Steps over a key and its colon. `key`: what is between its quotes, escapes as they are and not
  /// yet checked.
  [[nodiscard]] bool key(std::string_view& key) noexcept {
    if (peek() != '"' || at_ + 1 == end_ || text_[at_[1]] != ':') {
      return not_a_key();
    }
    key = inside(here());
    at_ += 2;
    return true;
  }
  /// The token's text, from its first byte to its last: of a string with its quotes. Not at the
  /// end.
  [[nodiscard]] std::string_view here() const noexcept {
    const char* const begin = text_ + at_[0];
    const char* end = text_ + at_[1];
    while (is_space(end[-1])) {
      --end;
    }
    return {begin, static_cast<std::size_t>(end - begin)};
  }
  void step() noexcept { ++at_; }
  /// What is between the quotes of a string's text.
  [[nodiscard]] static std::string_view inside(std::string_view quoted) noexcept {
    return quoted.substr(1, quoted.size() - 2);
  }

  /// Checks the escapes of a key.
  [[nodiscard]] bool key_is_valid(std::string_view key) noexcept;
  /// Steps over a value and checks it.
  [[nodiscard]] bool skip() noexcept {
    return skip_scalar() || (reason_ == nullptr && skip_nested());
  }
  /// The same; `text`: the value as it is written.
  [[nodiscard]] bool skip(std::string_view& text) noexcept;
  /// Fails because of the token it stands on.
  [[nodiscard]] bool unexpected() noexcept;
  /// Fails because of the escapes of the key it has just stepped over.
  [[nodiscard]] bool wrong_key() noexcept;
  /// Fails for a reason of the caller's; `reason` must stay.
  [[nodiscard]] bool fail(const char* reason) noexcept;
  [[nodiscard]] bool failed() const noexcept { return reason_ != nullptr; }

  /// A place to come back to within the record.
  using Place = const std::uint32_t*;
  [[nodiscard]] Place place() const noexcept { return at_; }
  void go_to(Place place) noexcept { at_ = place; }

 private:
  static bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  /// False: it is a scalar and wrong, or it is no scalar (then nothing has failed).
  bool skip_scalar() noexcept;
  bool skip_nested() noexcept;
  bool not_a_key() noexcept;

  Tokens tokens_;
  const char* text_ = nullptr;
  Place at_ = nullptr;
  Place end_ = nullptr;
  const char* reason_ = nullptr;  // nullptr: nothing has failed
};

}  // namespace millrace::json
