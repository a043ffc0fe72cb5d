#include "spec/sql_text.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace millrace {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

/// How a scalar is written in YAML.
enum class Style : std::uint8_t { plain, single_quoted, double_quoted, block };

/// Where each byte of a scalar's value stands in the file.
///
/// YAML folds lines, strips indentation and reads escapes. Whatever it does, words stay as they
/// are and in their order, and between them are spaces on both sides. So both texts are walked
/// side by side, word by word.
class Alignment {
 public:
  Alignment(std::string_view raw, std::string_view value, std::size_t raw_begin)
      : raw_(raw), value_(value), at_(raw_begin) {
    skip_properties();
    enter();
    places_.reserve(value.size() + 1);
    while (places_.size() < value_.size()) {
      if (is_space(value_[places_.size()])) {
        align_spaces();
      } else {
        align_character();
      }
    }
    places_.push_back(std::min(at_, raw_.size()));
  }

  /// By byte of the value, and one more for its end: the offset in the file.
  [[nodiscard]] const std::vector<std::size_t>& places() const noexcept { return places_; }

 private:
  [[nodiscard]] char raw(std::size_t at) const { return at < raw_.size() ? raw_[at] : '\0'; }

  /// Anchors and tags stand before the value: `&name !!str "..."`.
  void skip_properties() {
    while (raw(at_) == '&' || raw(at_) == '!') {
      while (at_ < raw_.size() && !is_space(raw(at_))) {
        ++at_;
      }
      while (is_space(raw(at_))) {
        ++at_;
      }
    }
  }

  void enter() {
    switch (raw(at_)) {
      case '\'':
        style_ = Style::single_quoted;
        ++at_;
        break;
      case '"':
        style_ = Style::double_quoted;
        ++at_;
        break;
      case '|':
      case '>':
        style_ = Style::block;
        at_ = std::min(raw_.find('\n', at_), raw_.size() - 1) + 1;
        break;
      default:
        break;
    }
  }

  /// A space as an escape ("\n", "\t", "\ " or an escaped line end) has two bytes.
  [[nodiscard]] std::size_t space_length() const {
    if (is_space(raw(at_))) {
      return 1;
    }
    const char next = raw(at_ + 1);
    const bool escaped = style_ == Style::double_quoted && raw(at_) == '\\' &&
                         (next == 'n' || next == 't' || is_space(next));
    return escaped ? 2 : 0;
  }

  void align_spaces() {
    std::vector<std::size_t> spaces;
    for (std::size_t length = space_length(); length > 0; length = space_length()) {
      spaces.push_back(at_);
      at_ += length;
    }
    if (spaces.empty()) {
      spaces.push_back(at_);
    }
    for (std::size_t i = 0; places_.size() < value_.size() && is_space(value_[places_.size()]);
         ++i) {
      places_.push_back(spaces[std::min(i, spaces.size() - 1)]);
    }
  }

  void align_character() {
    // Spaces that the value does not have: an indentation at its beginning, an escaped line end.
    while (space_length() > 0) {
      at_ += space_length();
    }
    const std::size_t begin = at_;
    at_ += character_length();
    places_.push_back(begin);
    while (places_.size() < value_.size() && is_continuation(value_[places_.size()])) {
      places_.push_back(begin);
    }
  }

  /// Of the character that stands here, with its escape.
  [[nodiscard]] std::size_t character_length() const {
    if (style_ == Style::single_quoted && raw(at_) == '\'') {
      return 2;
    }
    if (style_ == Style::double_quoted && raw(at_) == '\\') {
      switch (raw(at_ + 1)) {
        case 'x':
          return 4;
        case 'u':
          return 6;
        case 'U':
          return 10;
        default:
          return 2;
      }
    }
    std::size_t length = 1;
    while (is_continuation(raw(at_ + length))) {
      ++length;
    }
    return length;
  }

  std::string_view raw_;
  std::string_view value_;
  std::size_t at_;
  Style style_ = Style::plain;
  std::vector<std::size_t> places_;
};

/// Walks over SQL by its tokens.
class SqlScanner {
 public:
  explicit SqlScanner(std::string_view sql) : sql_(sql) {}

  SqlWords scan() {
    while (at_ < sql_.size()) {
      step();
    }
    std::ranges::sort(words_.names);
    const auto repeats = std::ranges::unique(words_.names);
    words_.names.erase(repeats.begin(), repeats.end());
    return std::move(words_);
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
  }
  static bool in_word(char c) {
    return is_identifier(std::string_view(&c, 1)) || (c >= '0' && c <= '9') || c == '$' ||
           (static_cast<unsigned char>(c) & 0x80U) != 0;
  }

  void step() {
    const char c = peek();
    if (is_space(c) || c == '\r' || c == '\f' || c == '\v') {
      ++at_;
    } else if (c == '-' && peek(1) == '-') {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
    } else if (c == '/' && peek(1) == '*') {
      skip_comment();
    } else if (c == ';') {
      if (!words_.empty && !words_.end) {
        words_.end = at_;
      }
      ++at_;
    } else {
      note_token();
      token(c);
    }
  }

  void note_token() {
    words_.empty = false;
    if (words_.end && !words_.second_statement) {
      words_.second_statement = at_;
    }
  }

  void token(char c) {
    if (c == '\'') {
      skip_quoted('\'', false);
    } else if (c == '"') {
      const std::size_t begin = at_ + 1;
      skip_quoted('"', false);
      words_.names.push_back(to_lower(sql_.substr(begin, at_ - begin - (at_ > begin ? 1 : 0))));
    } else if ((c == 'e' || c == 'E') && peek(1) == '\'') {
      ++at_;
      skip_quoted('\'', true);
    } else if (c == '$' && skip_dollar_quoted()) {
      return;
    } else if (c == '$') {
      const std::size_t begin = at_++;
      while (at_ < sql_.size() && sql_[at_] != '$' && in_word(sql_[at_])) {
        ++at_;
      }
      words_.parameters.push_back({std::string(sql_.substr(begin + 1, at_ - begin - 1)), begin});
    } else if (in_word(c)) {
      const std::size_t begin = at_;
      while (at_ < sql_.size() && in_word(sql_[at_])) {
        ++at_;
      }
      words_.names.push_back(to_lower(sql_.substr(begin, at_ - begin)));
    } else {
      ++at_;
    }
  }

  void skip_quoted(char quote, bool backslashes) {
    ++at_;
    while (at_ < sql_.size()) {
      const bool escaped = backslashes && peek() == '\\';
      if (escaped || (peek() == quote && peek(1) == quote)) {
        at_ += 2;
      } else if (peek() == quote) {
        ++at_;
        return;
      } else {
        ++at_;
      }
    }
    at_ = sql_.size();
  }

  /// Comments nest, as in PostgreSQL.
  void skip_comment() {
    int depth = 0;
    do {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < sql_.size());
    at_ = std::min(at_, sql_.size());
  }

  /// $$ ... $$ or $tag$ ... $tag$. False for $1 and $name, which are parameters.
  bool skip_dollar_quoted() {
    std::size_t end = at_ + 1;
    while (end < sql_.size() && sql_[end] != '$' && in_word(sql_[end])) {
      ++end;
    }
    if (end >= sql_.size() || sql_[end] != '$') {
      return false;
    }
    const std::string_view tag = sql_.substr(at_, end + 1 - at_);
    const std::size_t close = sql_.find(tag, end + 1);
    at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
    return true;
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  SqlWords words_;
};

}  // namespace

Location SqlText::locate(std::size_t offset) const {
  offset = std::min(offset, text.size());
  Location place = at;
  std::size_t done = 0;
  if (!runs.empty()) {
    const auto after = std::ranges::upper_bound(runs, offset, {}, &Run::offset);
    const Run& run = after == runs.begin() ? *after : *std::prev(after);
    place.line = run.line;
    place.column = run.column;
    done = std::min(run.offset, offset);
  }
  for (; done < offset; ++done) {
    if (text[done] == '\n' && runs.empty()) {
      ++place.line;
      place.column = 1;
    } else if (!is_continuation(text[done])) {
      ++place.column;
    }
  }
  return place;
}

SqlText sql_in_yaml(const YamlFile& yaml, const Node& scalar) {
  SqlText sql;
  sql.text = scalar.text;
  const Alignment alignment(yaml.text, sql.text, yaml.lines.offset_of(yaml.text, scalar.at));
  const auto& places = alignment.places();
  for (std::size_t i = 0; i < places.size(); ++i) {
    // A run goes on for as long as the bytes stand beside each other in one line.
    const bool goes_on = i > 0 && places[i] == places[i - 1] + 1 && sql.text[i - 1] != '\n' &&
                         yaml.text[places[i - 1]] != '\n';
    const bool within = i < sql.text.size() && is_continuation(sql.text[i]);
    if (!goes_on && !within) {
      const Location place = yaml.lines.locate(yaml.text, places[i]);
      sql.runs.push_back({i, place.line, place.column});
    }
  }
  sql.at = scalar.at;
  sql.at.line = sql.runs.front().line;
  sql.at.column = sql.runs.front().column;
  return sql;
}

SqlWords scan_sql(std::string_view sql) { return SqlScanner(sql).scan(); }

bool is_reserved_word(std::string_view name) {
  // DuckDB's: SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'.
  constexpr std::array kWords = std::to_array<std::string_view>(
      {"all",        "analyse",      "analyze",     "and",        "any",       "array",
       "as",         "asc",          "asymmetric",  "both",       "case",      "cast",
       "check",      "collate",      "column",      "constraint", "create",    "default",
       "deferrable", "desc",         "describe",    "distinct",   "do",        "else",
       "end",        "except",       "false",       "fetch",      "for",       "foreign",
       "from",       "group",        "having",      "in",         "initially", "intersect",
       "into",       "lambda",       "lateral",     "leading",    "limit",     "not",
       "null",       "offset",       "on",          "only",       "or",        "order",
       "pivot",      "pivot_longer", "pivot_wider", "placing",    "primary",   "qualify",
       "references", "returning",    "select",      "show",       "some",      "summarize",
       "symmetric",  "table",        "then",        "to",         "trailing",  "true",
       "union",      "unique",       "unpivot",     "using",      "variadic",  "when",
       "where",      "window",       "with"});
  return std::ranges::find(kWords, to_lower(name)) != kWords.end();
}

}  // namespace millrace
