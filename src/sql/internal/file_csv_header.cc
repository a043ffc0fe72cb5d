#include "sql/internal/file_csv_header.h"

#include <fmt/format.h>

#include <numeric>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::sql {

namespace {

struct FirstRecord {
  std::vector<std::string> names;
  std::string text;
};

/// The names in the first record; nothing if the file has no record.
std::optional<FirstRecord> names_in(TextFile& file, const CsvDialect& dialect) {
  std::vector<CsvField> fields;
  while (true) {
    // Incomplete while more can be read: a name in quotes may hold line ends.
    CsvRecords records(dialect, file.beginning(), false);
    auto found = records.next(fields);
    if (found == CsvRecords::Found::incomplete && file.extend_beginning()) {
      continue;
    }
    if (found == CsvRecords::Found::incomplete) {
      records = CsvRecords(dialect, file.beginning(), true);
      found = records.next(fields);
    }
    if (found == CsvRecords::Found::end) {
      return std::nullopt;
    }
    if (found == CsvRecords::Found::broken) {
      throw Error(Blame::external, fmt::format("`{}`: the header cannot be read: {}", file.path(),
                                               records.problem()));
    }
    FirstRecord first{.names = {}, .text = std::string(records.text())};
    first.names.reserve(records.field_count());
    for (std::size_t i = 0; i < records.field_count(); ++i) {
      const std::string text =
          fields[i].escaped ? unescape(fields[i].text(), dialect) : std::string(fields[i].text());
      first.names.emplace_back(trim(text));
    }
    const char* begin = file.beginning().data();
    file.skip(static_cast<std::size_t>(records.position() - begin), dialect.newline);
    return first;
  }
}

std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  }
  return text;
}

[[noreturn]] void throw_mismatch(const std::string& path, const std::vector<std::string>& missing,
                                 const std::vector<std::string>& unexpected,
                                 const std::vector<std::string>& twice) {
  std::string what;
  const auto add = [&](std::string_view label, const std::vector<std::string>& names) {
    if (!names.empty()) {
      what += fmt::format("{}{} {}", what.empty() ? "" : "; ", label, quoted(names));
    }
  };
  add("missing:", missing);
  add("not in the schema:", unexpected);
  add("more than once:", twice);
  for (const std::string& name : unexpected) {
    if (const auto meant = suggest(name, missing)) {
      what += fmt::format("; is `{}` meant to be `{}`?", name, *meant);
    }
  }
  throw Error(Blame::external,
              fmt::format("`{}`: the header does not match the schema: {}. Correct the file or the "
                          "source's `schema`; for a file without a header set `header: false`",
                          path, what));
}

[[noreturn]] void throw_taken(const std::string& path, const std::string& name) {
  throw Error(Blame::external,
              fmt::format("`{}`: the header has `{}`, which is the `corrupt_record_column`; give "
                          "that another name",
                          path, name));
}

}  // namespace

CsvDialect dialect_of(const FileFormat& format, std::string_view beginning) {
  CsvDialect dialect;
  dialect.delimiter = format.delimiter;
  dialect.quote = format.quote;
  dialect.escape = format.escape;
  const auto newline = beginning.find_first_of("\r\n");
  if (newline != std::string_view::npos && beginning[newline] == '\r' &&
      newline + 1 < beginning.size() && beginning[newline + 1] != '\n') {
    dialect.newline = '\r';
  }
  return dialect;
}

CsvHeader read_header(TextFile& file, const CsvDialect& dialect, const Schema& schema,
                      const FileFormat& format) {
  const int no_field = schema.find(format.corrupt_record_column);
  std::vector<int> in_order(schema.size());
  std::iota(in_order.begin(), in_order.end(), 0);
  std::erase(in_order, no_field);
  const auto first = format.header ? names_in(file, dialect) : std::nullopt;
  if (!first) {  // in an empty file no field can be in the wrong column
    return {.columns = std::move(in_order), .text = ""};
  }
  CsvHeader header;
  std::vector<bool> seen(schema.size());
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> twice;
  for (const std::string& name : first->names) {
    const int column = schema.find(name);
    if (column >= 0 && column == no_field) {
      throw_taken(file.path(), name);
    }
    if (column < 0) {
      unexpected.push_back(name);
    } else if (seen[static_cast<std::size_t>(column)]) {
      twice.push_back(name);
    } else {
      seen[static_cast<std::size_t>(column)] = true;
    }
    header.columns.push_back(column);
  }
  for (const int column : in_order) {
    if (!seen[static_cast<std::size_t>(column)]) {
      missing.push_back(schema.columns[static_cast<std::size_t>(column)].name);
    }
  }
  if (!missing.empty() || !unexpected.empty() || !twice.empty()) {
    throw_mismatch(file.path(), missing, unexpected, twice);
  }
  if (header.columns != in_order) {
    header.text = first->text;
  }
  return header;
}

}  // namespace millrace::sql
