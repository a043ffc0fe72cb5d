#include "formats/json/cursor.h"

#include <fmt/format.h>

#include <bitset>

#include "base/strings.h"
#include "formats/json/numbers.h"
#include "formats/json/strings.h"

namespace millrace::json {
namespace {

constexpr char kUnexpected[] = "unexpected";
constexpr std::size_t kShownBytes = 20;

bool string_is_valid(std::string_view quoted) {
  const std::string_view inside = Cursor::inside(quoted);
  return !has_escapes(inside) || escapes_are_valid(inside);
}

}  // namespace

bool Cursor::start(std::string_view record) {
  text_ = record.data();
  at_ = end_ = nullptr;
  reason_ = tokens_.find(record);
  if (reason_ != nullptr) {
    return false;
  }
  at_ = tokens_.begin();
  end_ = tokens_.end();
  return true;
}

bool Cursor::finish() { return at_ == end_ || fail("something follows the record's value"); }

std::string Cursor::failure() const {
  if (reason_ == nullptr || tokens_.begin() == nullptr) {
    return reason_ == nullptr ? "" : reason_;
  }
  if (reason_ != kUnexpected) {
    return fmt::format("{} at byte {}", reason_, *at_);
  }
  if (at_ == end_) {
    return "the record ends too early";
  }
  return fmt::format("unexpected `{}` at byte {}", excerpt(here(), kShownBytes), *at_);
}

bool Cursor::fail(const char* reason) noexcept {
  reason_ = reason;
  return false;
}

bool Cursor::unexpected() noexcept { return fail(kUnexpected); }

bool Cursor::not_a_key() noexcept {
  // Either it is no string, or no colon follows it.
  at_ += peek() == '"' ? 1 : 0;
  return unexpected();
}

bool Cursor::skip(std::string_view& text) noexcept {
  if (at_ == end_) {
    return unexpected();
  }
  const char* const begin = text_ + *at_;
  if (!skip()) {
    return false;
  }
  --at_;
  const std::string_view last = here();
  ++at_;
  text = {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
  return true;
}

bool Cursor::skip_scalar() noexcept {
  bool valid = false;
  switch (peek()) {
    case '{':
    case '[':
      return false;
    case '"':
      if (!string_is_valid(here())) {
        return fail("an escape that is none");
      }
      valid = true;
      break;
    case 't':
      valid = here() == "true";
      break;
    case 'f':
      valid = here() == "false";
      break;
    case 'n':
      valid = here() == "null";
      break;
    default:
      valid = at_ != end_ && is_number(here());
      break;
  }
  if (!valid) {
    return unexpected();
  }
  ++at_;
  return true;
}

// A stack of bits instead of a recursion: 1 for an object, 0 for an array.
bool Cursor::skip_nested() noexcept {
  std::bitset<kMaxSkippedDepth> objects;
  std::size_t depth = 0;
  for (;;) {
    // A value is to come, and it may be the first of another object or array.
    const char first = peek();
    if (first == '{' || first == '[') {
      if (depth == kMaxSkippedDepth) {
        return fail("values nested too deep");
      }
      objects[depth] = first == '{';
      ++depth;
      ++at_;
      if (!take(first == '{' ? '}' : ']')) {
        std::string_view name;
        if (first == '{' && (!key(name) || !key_is_valid(name))) {
          return false;
        }
        continue;
      }
      --depth;
    } else if (!skip_scalar()) {
      return false;
    }
    // A value is over, and perhaps what it lies in.
    while (depth > 0 && !take(',')) {
      if (!expect(objects[depth - 1] ? '}' : ']')) {
        return false;
      }
      --depth;
    }
    if (depth == 0) {
      return true;
    }
    std::string_view name;
    if (objects[depth - 1] && (!key(name) || !key_is_valid(name))) {
      return false;
    }
  }
}

bool Cursor::key_is_valid(std::string_view name) noexcept {
  return !has_escapes(name) || escapes_are_valid(name) || wrong_key();
}

bool Cursor::wrong_key() noexcept {
  at_ -= 2;
  return fail("an escape that is none in a key");
}

}  // namespace millrace::json
