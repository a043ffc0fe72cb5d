#include "sql/internal/file_csv_records.h"

namespace millrace::sql {

std::string unescape(std::string_view field, const CsvDialect& dialect) {
  std::string value;
  value.reserve(field.size());
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool more = i + 1 < field.size();
    if (field[i] == dialect.escape && more &&
        (field[i + 1] == dialect.quote || field[i + 1] == dialect.escape)) {
      ++i;
    }
    value += field[i];
  }
  return value;
}

CsvRecords::Step CsvRecords::quoted_field(const char* from, CsvField& into) {
  into.quoted = true;
  into.escaped = false;
  const bool doubled = dialect_.escape == dialect_.quote;
  // The opening quote is the mark just passed, or to be passed.
  const char* mark = marks_.next();
  while (true) {
    mark = marks_.next();
    if (mark >= end_) {
      return at_end_ ? Step::unclosed : Step::incomplete;
    }
    if (!doubled && *mark == dialect_.escape) {
      into.escaped = true;
      marks_.go_to(mark + 2 < end_ ? mark + 2 : end_);  // whatever is escaped is no mark
      continue;
    }
    if (*mark != dialect_.quote) {
      continue;
    }
    if (mark + 1 < end_ && doubled && mark[1] == dialect_.quote) {
      into.escaped = true;
      marks_.next();
      continue;
    }
    break;
  }
  into.data = from + 1;
  into.size = static_cast<std::uint32_t>(mark - into.data);
  const char* after = mark + 1;
  if (after < end_ && *after == '\r' && dialect_.newline == '\n') {
    ++after;
  }
  if (after >= end_) {
    field_end_ = end_;
    return at_end_ ? Step::end : Step::incomplete;
  }
  if (*after == dialect_.newline || (*after == dialect_.delimiter && after == mark + 1)) {
    field_end_ = marks_.next();
    return *after == dialect_.newline ? Step::newline : Step::delimiter;
  }
  return Step::text_after_quote;
}

CsvRecords::Step CsvRecords::field(const char* from, CsvField& into) {
  if (from < end_ && *from == dialect_.quote && dialect_.quote != 0) {
    return quoted_field(from, into);
  }
  const char* mark = marks_.next();
  while (mark < end_ && *mark != dialect_.delimiter && *mark != dialect_.newline) {
    mark = marks_.next();  // a quote or an escape inside a plain field
  }
  field_end_ = mark;
  into.data = from;
  into.quoted = false;
  into.escaped = false;
  into.size = static_cast<std::uint32_t>(mark - from);
  if (mark < end_ && *mark == dialect_.delimiter) {
    return Step::delimiter;
  }
  if (mark >= end_ && !at_end_) {
    return Step::incomplete;
  }
  if (into.size > 0 && mark[-1] == '\r') {
    --into.size;
  }
  return mark < end_ ? Step::newline : Step::end;
}

bool CsvRecords::skip_blank_lines() {
  const char* at = next_;
  while (at < end_ && (*at == '\n' || *at == '\r')) {
    ++at;
  }
  if (at != next_) {
    next_ = at;
    marks_.go_to(at);
  }
  return at < end_;
}

CsvRecords::Found CsvRecords::give_up(const char* problem) {
  const auto left = static_cast<std::size_t>(end_ - start_);
  const auto* newline = static_cast<const char*>(std::memchr(start_, dialect_.newline, left));
  stop_ = newline != nullptr ? newline : end_;
  next_ = newline != nullptr ? newline + 1 : end_;
  if (stop_ > start_ && stop_[-1] == '\r') {
    --stop_;
  }
  problem_ = problem;
  marks_.go_to(next_);
  return Found::broken;
}

CsvRecords::Found CsvRecords::next(std::vector<CsvField>& fields) {
  if (!skip_blank_lines()) {
    start_ = stop_ = next_;
    return Found::end;
  }
  start_ = next_;
  count_ = 0;
  const char* from = next_;
  while (true) {
    if (count_ == fields.size()) {
      fields.resize(fields.size() + 16);
    }
    switch (field(from, fields[count_])) {
      case Step::delimiter:
        ++count_;
        from = field_end_ + 1;
        break;
      case Step::newline:
      case Step::end:
        ++count_;
        stop_ = field_end_;
        next_ = field_end_ < end_ ? field_end_ + 1 : end_;
        if (stop_ > start_ && stop_[-1] == '\r') {
          --stop_;
        }
        return Found::record;
      case Step::incomplete:
        return Found::incomplete;
      case Step::text_after_quote:
        return give_up("text follows a closing quote");
      case Step::unclosed:
        return give_up("a quote is never closed");
    }
  }
}

}  // namespace millrace::sql
