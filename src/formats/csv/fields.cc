#include "formats/csv/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace millrace::csv {

namespace {

bool is_line_end(char c) { return c == '\n' || c == '\r'; }

/// Walks through one record.
class Cutter {
 public:
  Cutter(std::string_view record, const Options& options) : rest_(record), options_(options) {}

  [[nodiscard]] const char* problem() const noexcept { return problem_; }
  /// The next field; false: it is the last one, or the record is none.
  bool next(Field& to) {
    return !rest_.empty() && rest_.front() == options_.quote ? quoted(to) : plain(to);
  }

 private:
  bool plain(Field& to) {
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != options_.delimiter && rest_[size] != '\n') {
      ++size;
    }
    to = {.text = rest_.substr(0, size)};
    rest_.remove_prefix(size);
    if (!rest_.empty() && rest_.front() == options_.delimiter) {
      rest_.remove_prefix(1);
      return true;
    }
    to.text.remove_suffix(to.text.ends_with('\r') ? 1 : 0);
    return end();
  }

  bool quoted(Field& to) {
    to = {.quoted = true};
    std::size_t at = 1;
    while (at < rest_.size()) {
      if (const char c = rest_[at]; is_escape(c, at)) {
        to.escaped = true;
        ++at;  // whatever is escaped does not end the field
      } else if (c == options_.quote) {
        break;
      }
      ++at;
    }
    if (at >= rest_.size()) {
      return fail("a quote is never closed");
    }
    to.text = rest_.substr(1, at - 1);
    rest_.remove_prefix(at + 1);
    if (!rest_.empty() && rest_.front() == options_.delimiter) {
      rest_.remove_prefix(1);
      return true;
    }
    return rest_.empty() || is_line_end(rest_.front()) ? end()
                                                       : fail("text follows a closing quote");
  }

  [[nodiscard]] bool is_escape(char c, std::size_t at) const {
    return c == options_.escape && (options_.escape != options_.quote ||
                                    (at + 1 < rest_.size() && rest_[at + 1] == options_.quote));
  }
  bool end() {
    return std::ranges::all_of(rest_, is_line_end) ? false : fail("more than one line");
  }
  bool fail(const char* problem) {
    problem_ = problem;
    return false;
  }

  std::string_view rest_;
  const Options& options_;
  const char* problem_ = nullptr;
};

}  // namespace

void check(const Options& options) {
  const auto fail = [](const std::string& text) { throw Error(Blame::user, text); };
  for (const auto& [name, c] :
       {std::pair("delimiter", options.delimiter), std::pair("quote", options.quote),
        std::pair("escape", options.escape)}) {
    if (is_line_end(c)) {
      fail(fmt::format("`{}` can't be a line end; choose another character", name));
    }
  }
  if (options.delimiter == options.quote || options.delimiter == options.escape) {
    fail("`delimiter` must be another character than `quote` and `escape`");
  }
  for (const char c : options.null_text) {
    if (c == options.delimiter || c == options.quote || is_line_end(c)) {
      fail(
          fmt::format("no field without quotes can read like the `null_value` {}; leave "
                      "delimiters, quotes and line ends out of it",
                      options.null_text));
    }
  }
}

Fields cut(std::string_view record, const Options& options, std::span<Field> into) {
  Cutter cutter(record, options);
  Fields fields;
  Field unwanted;
  bool more = true;
  while (more) {
    more = cutter.next(fields.count < into.size() ? into[fields.count] : unwanted);
    ++fields.count;
  }
  fields.problem = cutter.problem();
  return fields;
}

void unescape(std::string_view field, const Options& options, std::string& to) {
  to.clear();
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool more = i + 1 < field.size();
    if (field[i] == options.escape && more &&
        (field[i + 1] == options.quote || field[i + 1] == options.escape)) {
      ++i;
    }
    to += field[i];
  }
}

void quote_if_needed(std::size_t begin, const Options& options, std::string& to) {
  const std::string_view text = std::string_view(to).substr(begin);
  const auto is_special = [&](char c) {
    return c == options.delimiter || c == options.quote || is_line_end(c);
  };
  if (text != options.null_text && std::ranges::none_of(text, is_special)) {
    return;
  }
  const auto needs_escape = [&](char c) { return c == options.quote || c == options.escape; };
  const auto escapes = static_cast<std::size_t>(std::ranges::count_if(text, needs_escape));
  // From the end, where there is room.
  std::size_t from = to.size();
  to.resize(from + escapes + 2);
  std::size_t at = to.size();
  to[--at] = options.quote;
  while (from > begin) {
    const char c = to[--from];
    to[--at] = c;
    if (needs_escape(c)) {
      to[--at] = options.escape;
    }
  }
  to[begin] = options.quote;
}

}  // namespace millrace::csv
