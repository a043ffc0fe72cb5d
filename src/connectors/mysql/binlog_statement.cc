#include "connectors/mysql/binlog_statement.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>

#include "base/strings.h"

namespace millrace::mysql {

namespace {

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// Words, names and marks of a statement, without comments and texts. What the server alone reads
/// of a comment (/*!50100 ... */) counts; double quotes are taken for those of names (ANSI_QUOTES).
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) { next(); }

  [[nodiscard]] bool is_at_end() const { return token_.empty() && !is_name_; }
  /// Steps over a word, if it is one of these; words in quotes are names.
  bool skip(std::initializer_list<std::string_view> words) {
    const bool found = !is_name_ && std::ranges::any_of(words, [&](std::string_view word) {
      return equal_ignoring_case(token_, word);
    });
    if (found) {
      next();
    }
    return found;
  }
  /// Takes a name.
  std::string_view take() {
    const auto taken = token_;
    next();
    return taken;
  }

 private:
  void next() {
    skip_blanks();
    is_name_ = text_.starts_with('`') || text_.starts_with('"');
    std::size_t size = text_.empty() ? 0 : 1;
    if (is_name_) {  // one with a quote in it is not ours to be found
      const auto end = text_.find(text_.front(), 1);
      token_ = text_.substr(1, end == std::string_view::npos ? end : end - 1);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      return;
    }
    while (size < text_.size() && is_word_character(text_[0]) && is_word_character(text_[size])) {
      ++size;
    }
    token_ = text_.substr(0, size);
    text_.remove_prefix(size);
  }

  void skip_blanks() {
    for (;;) {
      const auto blanks = std::ranges::find_if(
          text_, [](char c) { return std::isspace(static_cast<unsigned char>(c)) == 0; });
      text_.remove_prefix(static_cast<std::size_t>(blanks - text_.begin()));
      if (text_.starts_with("/*!") || text_.starts_with("/*M!")) {
        const auto end = text_.find_first_not_of("/*M!0123456789");
        text_.remove_prefix(std::min(end, text_.size()));
      } else if (text_.starts_with("/*")) {
        skip_past("*/", 2);
      } else if (text_.starts_with("*/")) {
        text_.remove_prefix(2);
      } else if (text_.starts_with("-- ") || text_.starts_with('#')) {
        skip_past("\n", 0);
      } else if (text_.starts_with('\'')) {
        skip_quoted();
      } else {
        return;
      }
    }
  }
  void skip_past(std::string_view end, std::size_t from) {
    const auto at = text_.find(end, from);
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at + end.size());
  }
  void skip_quoted() {
    std::size_t at = 1;
    while (at < text_.size() && text_[at] != '\'') {
      at += text_[at] == '\\' ? 2 : 1;
    }
    text_.remove_prefix(std::min(at + 1, text_.size()));
  }

  std::string_view text_;  ///< behind the token
  std::string_view token_;
  bool is_name_ = false;
};

/// Takes "t" or "shop.t"; whether it is ours.
bool take_table(Tokens& tokens, std::string_view current, const TableName& of) {
  auto name = tokens.take();
  auto database = current;
  if (tokens.skip({"."})) {
    database = name;
    name = tokens.take();
  }
  return equal_ignoring_case(name, of.table) && equal_ignoring_case(database, of.database);
}

void skip_if_exists(Tokens& tokens) {
  if (tokens.skip({"if"})) {
    tokens.skip({"exists"});
  }
}

bool drops(Tokens& tokens, std::string_view current, const TableName& of) {
  if (tokens.skip({"database", "schema"})) {
    skip_if_exists(tokens);
    return equal_ignoring_case(tokens.take(), of.database);
  }
  if (!tokens.skip({"table", "tables"})) {
    return false;
  }
  skip_if_exists(tokens);
  bool is_ours = take_table(tokens, current, of);
  while (!is_ours && tokens.skip({","})) {
    is_ours = take_table(tokens, current, of);
  }
  return is_ours;
}

bool removes_partition(Tokens& tokens, std::string_view current, const TableName& of) {
  while (tokens.skip({"online", "ignore"})) {
  }
  if (!tokens.skip({"table"})) {
    return false;
  }
  skip_if_exists(tokens);
  if (!take_table(tokens, current, of)) {
    return false;
  }
  while (!tokens.is_at_end()) {
    if (tokens.skip({"drop", "truncate", "exchange", "convert", "discard"})) {
      if (tokens.skip({"partition", "tablespace"})) {
        return true;
      }
    } else {
      (void)tokens.take();
    }
  }
  return false;
}

bool replaces(Tokens& tokens, std::string_view current, const TableName& of) {
  return tokens.skip({"or"}) && tokens.skip({"replace"}) && tokens.skip({"table"}) &&
         take_table(tokens, current, of);
}

}  // namespace

std::string_view untold_loss(std::string_view statement, std::string_view current,
                             const TableName& of) {
  Tokens tokens(statement);
  if (tokens.skip({"truncate"})) {
    tokens.skip({"table"});
    return take_table(tokens, current, of) ? "was truncated" : "";
  }
  if (tokens.skip({"drop"})) {
    return drops(tokens, current, of) ? "was dropped" : "";
  }
  if (tokens.skip({"create"})) {
    return replaces(tokens, current, of) ? "was replaced by another table" : "";
  }
  if (tokens.skip({"alter"})) {
    return removes_partition(tokens, current, of) ? "lost a partition" : "";
  }
  return "";
}

}  // namespace millrace::mysql
