#include "core/type.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace millrace {

namespace {

using Id = Type::Id;

constexpr std::array kWords = std::to_array<std::pair<std::string_view, Id>>({
    {"BOOLEAN", Id::boolean},
    {"TINYINT", Id::i8},
    {"SMALLINT", Id::i16},
    {"INTEGER", Id::i32},
    {"BIGINT", Id::i64},
    {"HUGEINT", Id::i128},
    {"UTINYINT", Id::u8},
    {"USMALLINT", Id::u16},
    {"UINTEGER", Id::u32},
    {"UBIGINT", Id::u64},
    {"FLOAT", Id::f32},
    {"DOUBLE", Id::f64},
    {"VARCHAR", Id::varchar},
    {"BLOB", Id::blob},
    {"DATE", Id::date},
    {"TIME", Id::time},
    {"TIMESTAMP_S", Id::timestamp_s},
    {"TIMESTAMP_MS", Id::timestamp_ms},
    {"TIMESTAMP", Id::timestamp},
    {"TIMESTAMP_NS", Id::timestamp_ns},
    {"TIMESTAMP WITH TIME ZONE", Id::timestamp_tz},
    {"TIMESTAMPTZ", Id::timestamp_tz},
    {"INTERVAL", Id::interval},
    {"UUID", Id::uuid},
});

// Who walks through a type does so by recursion.
constexpr int kDepthMax = 128;

/// Reads a type from the front of a text. Every function gives nullopt for what it can't read.
class TypeText {
 public:
  explicit TypeText(std::string_view text) : rest_(text) {}

  std::optional<Type> whole() {
    auto type = read();
    skip_spaces();
    return rest_.empty() ? std::move(type) : std::nullopt;
  }

 private:
  std::optional<Type> read() {
    if (++depth_ > kDepthMax) {
      return std::nullopt;
    }
    height_ = 0;
    auto type = read_base();
    while (type && height_ <= kDepthMax) {
      if (mark("[]")) {
        Type list{.id = Id::list};
        list.parts.push_back({.name = "", .type = std::move(*type)});
        type = std::move(list);
        height_++;
      } else if (rest_.starts_with('[')) {
        return std::nullopt;  // a fixed ARRAY
      } else {
        break;
      }
    }
    depth_--;
    return height_ <= kDepthMax ? std::move(type) : std::nullopt;
  }

  std::optional<Type> read_base() {
    skip_spaces();
    if (word("STRUCT")) {
      return read_struct();
    }
    if (word("MAP")) {
      return read_map();
    }
    if (word("DECIMAL")) {
      return read_decimal();
    }
    // The longest word that fits: TIMESTAMP WITH TIME ZONE, not TIMESTAMP.
    const std::pair<std::string_view, Id>* found = nullptr;
    for (const auto& each : kWords) {
      if (starts_with_word(each.first) &&
          (found == nullptr || each.first.size() > found->first.size())) {
        found = &each;
      }
    }
    if (found == nullptr) {
      return std::nullopt;
    }
    rest_.remove_prefix(found->first.size());
    return Type{.id = found->second};
  }

  std::optional<Type> read_struct() {
    Type type{.id = Id::structure};
    int highest = 0;
    if (!mark("(")) {
      return std::nullopt;
    }
    do {
      auto name = read_name();
      auto part = name ? read() : std::nullopt;
      if (!part) {
        return std::nullopt;
      }
      type.parts.push_back({.name = std::move(*name), .type = std::move(*part)});
      highest = std::max(highest, height_);
    } while (mark(","));
    height_ = highest + 1;
    return mark(")") ? std::optional(std::move(type)) : std::nullopt;
  }

  std::optional<Type> read_map() {
    Type type{.id = Id::map};
    int highest = 0;
    for (const auto* const before : {"(", ","}) {
      auto part = mark(before) ? read() : std::nullopt;
      if (!part) {
        return std::nullopt;
      }
      type.parts.push_back({.name = "", .type = std::move(*part)});
      highest = std::max(highest, height_);
    }
    height_ = highest + 1;
    return mark(")") ? std::optional(std::move(type)) : std::nullopt;
  }

  std::optional<Type> read_decimal() {
    Type type{.id = Id::decimal, .precision = 18, .scale = 3};
    if (mark("(")) {
      const auto precision = read_number();
      const auto scale = mark(",") ? read_number() : std::optional<int>(0);
      if (!precision || !scale || !mark(")") || *precision < 1 || *precision > 38 ||
          *scale > *precision) {
        return std::nullopt;
      }
      type.precision = *precision;
      type.scale = *scale;
    }
    return type;
  }

  std::optional<int> read_number() {
    skip_spaces();
    std::size_t digits = 0;
    while (digits < rest_.size() && is_digit(rest_[digits])) {
      ++digits;
    }
    const auto number = parse_integer(rest_.substr(0, digits));
    rest_.remove_prefix(digits);
    return number && *number <= std::numeric_limits<int>::max()
               ? std::optional(static_cast<int>(*number))
               : std::nullopt;
  }

  std::optional<std::string> read_name() {
    skip_spaces();
    std::string name;
    if (!rest_.starts_with('"')) {
      const auto end = rest_.find(' ');
      name = rest_.substr(0, end);
      // Fields without names: STRUCT(INTEGER, VARCHAR).
      if (end == std::string_view::npos || name.find_first_of(",()[") != std::string::npos) {
        return std::nullopt;
      }
      rest_.remove_prefix(end);
      return name;
    }
    for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
      if (rest_.front() == '"') {
        rest_.remove_prefix(1);
        if (!rest_.starts_with('"')) {
          return name;
        }
      }
      name += rest_.front();
    }
    return std::nullopt;
  }

  void skip_spaces() {
    while (rest_.starts_with(' ')) {
      rest_.remove_prefix(1);
    }
  }
  bool mark(std::string_view text) {
    skip_spaces();
    const bool there = rest_.starts_with(text);
    rest_.remove_prefix(there ? text.size() : 0);
    return there;
  }
  [[nodiscard]] bool starts_with_word(std::string_view text) const {
    if (!equal_ignoring_case(rest_.substr(0, text.size()), text)) {
      return false;
    }
    const std::string_view after = rest_.substr(text.size());
    return after.empty() || std::string_view(" ,()[").find(after.front()) != std::string_view::npos;
  }
  bool word(std::string_view text) {
    const bool there = starts_with_word(text);
    rest_.remove_prefix(there ? text.size() : 0);
    return there;
  }

  std::string_view rest_;
  int depth_ = 0;   // of the type being read
  int height_ = 0;  // of the one read last: how many lie in one another
};

}  // namespace

bool Type::operator==(const Type&) const = default;

Type parse_type(std::string_view sql_type) { return TypeText(sql_type).whole().value_or(Type{}); }

}  // namespace millrace
