#include "sql/internal/file_csv_records.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::sql {
namespace {

using Rows = std::vector<std::vector<std::string>>;

/// The records of a text, each as its fields; a broken one as {"!", its text}.
Rows rows_of(const std::string& text, const CsvDialect& dialect = {}, bool at_end = true) {
  const std::string padded =
      text + std::string(kCsvPadding, '"');  // what lies behind must not count
  CsvRecords records(dialect, std::string_view(padded).substr(0, text.size()), at_end);
  std::vector<CsvField> fields;
  Rows rows;
  while (true) {
    const auto found = records.next(fields);
    if (found == CsvRecords::Found::end || found == CsvRecords::Found::incomplete) {
      return rows;
    }
    if (found == CsvRecords::Found::broken) {
      rows.push_back({"!", std::string(records.text())});
      continue;
    }
    rows.emplace_back();
    for (std::size_t i = 0; i < records.field_count(); ++i) {
      rows.back().push_back(fields[i].escaped ? unescape(fields[i].text(), dialect)
                                              : std::string(fields[i].text()));
    }
  }
}

TEST(CsvRecords, FindsFieldsAndLines) {
  EXPECT_EQ(rows_of("a,b\n1,\n"), (Rows{{"a", "b"}, {"1", ""}}));
  EXPECT_EQ(rows_of("a,b\r\n1,2\r\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(rows_of("a,b\n1,2"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(rows_of("\n\na\n\nb\n\n"), (Rows{{"a"}, {"b"}}));
  EXPECT_EQ(rows_of(""), Rows{});
}

TEST(CsvRecords, QuotesHoldAnything) {
  EXPECT_EQ(rows_of("\"a,\"\"b\"\"\nc\",2\n3,4\n"), (Rows{{"a,\"b\"\nc", "2"}, {"3", "4"}}));
  EXPECT_EQ(rows_of("\"\",\"x\"\r\n"), (Rows{{"", "x"}}));
  EXPECT_EQ(rows_of("5\" pipe,b\n"), (Rows{{"5\" pipe", "b"}}));
  CsvDialect backslash;
  backslash.escape = '\\';
  EXPECT_EQ(rows_of("\"a\\\"b\\\\\",2\n", backslash), (Rows{{"a\"b\\", "2"}}));
  CsvDialect none;
  none.quote = 0;
  EXPECT_EQ(rows_of("\"a,b\"\n", none), (Rows{{"\"a", "b\""}}));
}

// A quote that was forgotten must not swallow the rows after it.
TEST(CsvRecords, ABrokenLineIsLostAlone) {
  EXPECT_EQ(rows_of("1,a\n2,\"b\n3,c\n4,d\n"),
            (Rows{{"1", "a"}, {"!", "2,\"b"}, {"3", "c"}, {"4", "d"}}));
  EXPECT_EQ(rows_of("1,\"a\"x\n2,b\n"), (Rows{{"!", "1,\"a\"x"}, {"2", "b"}}));
  EXPECT_EQ(rows_of("2,\"b\n3,\"c\"\n4,d\n"), (Rows{{"!", "2,\"b"}, {"3", "c"}, {"4", "d"}}));
}

// A block may be cut anywhere: what is not certain yet must be left for the next one.
TEST(CsvRecords, WaitsForTheRestOfARecord) {
  const std::string text = "1,\"a\"\"\nb\",c\r\n2,\"x\"\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const auto rows = rows_of(text.substr(0, cut), {}, false);
    const std::size_t whole = cut < 13 ? 0 : cut < text.size() ? 1 : 2;
    EXPECT_EQ(rows.size(), whole) << cut;
  }
}

TEST(CsvRecords, CrossesItsStepsOf64Bytes) {
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string field(size, 'x');
    EXPECT_EQ(rows_of(fmt::format("{0},\"{0}\"\n{0},b\n", field)),
              (Rows{{field, field}, {field, "b"}}));
  }
}

}  // namespace
}  // namespace millrace::sql
