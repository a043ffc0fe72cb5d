#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "sql/internal/file_scan_fixture.h"

namespace millrace::sql {
namespace {

TEST_F(FileScanTest, QuarantinesRowsAndKeepsTheirNeighbours) {
  write("a.csv",
        "id,name,amount\n"  // 1
        "1,a,1.5\n"
        "2,b,much\n"        // 3: not a number
        "x,c,y\n"           // 4: two bad fields are one bad row
        "3,d\n"             // 5: too few
        "4,e,2,5\n"         // 6: too many
        "5,\xFF\xFE,2.5\n"  // 7: not UTF-8
        "6,\"f\"g,2\n"      // 8: text after a quote
        "7,g,7\n"
        "8,\"open,8\n"  // 10: never closed
        "9,i,9\n"
        "1.5,j,1\n"  // 12: would lose its half
        "10,k");     // 13: cut off
  for (threads_ = 1; threads_ <= 2; ++threads_) {
    EXPECT_EQ(read(kSchema), (Lines{"1|a|1.5", "7|g|7.0", "9|i|9.0"}));
    EXPECT_EQ(input_->malformed, 9);
    EXPECT_EQ(malformed(),
              (Lines{"3 amount 2,b,much", "4 id x,c,y", "5  3,d", "6  4,e,2,5", "7  5,\xff\xfe,2.5",
                     "8  6,\"f\"g,2", "10  8,\"open,8", "12 id 1.5,j,1", "13  10,k"}));
  }
}

TEST_F(FileScanTest, DropsOrFailsIfTold) {
  const std::string path = write("a.csv", "id,name,amount\n1,a,1.5\n2,b,much\n3,c,3.5\n");
  format_.on_malformed = OnMalformed::drop;
  EXPECT_EQ(read(kSchema), (Lines{"1|a|1.5", "3|c|3.5"}));
  EXPECT_EQ(input_->malformed, 1);
  EXPECT_EQ(kept_.dropped(), 1);
  EXPECT_TRUE(kept_.sorted().empty());
  format_.on_malformed = OnMalformed::fail;
  const std::string text = error_of(kSchema);
  EXPECT_NE(text.find(path + ":3: malformed row: `amount`"), std::string::npos) << text;
  EXPECT_NE(text.find("2,b,much"), std::string::npos) << text;
}

TEST_F(FileScanTest, HandsOnEveryMalformedRow) {
  std::string text = "id,name,amount\n";
  Lines bad;
  for (int i = 0; i < 50'000; ++i) {
    const auto line = fmt::format("{},a,{}", i, i % 2 == 0 ? "1" : "x");
    text += line + "\n";
    if (i % 2 != 0) {
      bad.push_back(fmt::format("{} amount {}", i + 2, line));
    }
  }
  write("a.csv", text);
  EXPECT_EQ(read(kSchema).size(), 25'000U);
  EXPECT_EQ(input_->malformed, 25'000);
  EXPECT_TRUE(malformed() == bad);
}

// Spaces are part of a row, its line end is not.
TEST_F(FileScanTest, MalformedRowsAreKeptByteForByte) {
  const std::string long_text(100'000, '\xFF');
  write("a.csv", "id,name,amount\n 1 , a ,x \t\r\n2," + long_text + ",1\n3,\"open, \xE2\x82\n");
  EXPECT_TRUE(read(kSchema).empty());
  EXPECT_TRUE(malformed() == (Lines{"2 amount  1 , a ,x \t", "3  2," + long_text + ",1",
                                    "4  3,\"open, \xE2\x82"}));
  scan_ = FileScan();
  format_.kind = FileFormat::Kind::json;
  write("a.json", "  {\"id\": \"x\"}  \r\n\t{\"id\"  ");
  EXPECT_TRUE(read("id BIGINT").empty());
  EXPECT_EQ(malformed(), (Lines{"1    {\"id\": \"x\"}  ", "2  \t{\"id\"  "}));
}

// A line that is longer than may be held is handed on in parts, cut between characters.
TEST_F(FileScanTest, TooLongRecordsAreHandedOnInParts) {
  format_.max_line_bytes = 1'000'000;
  for (const std::string_view end : {"\n", "\r\n", ""}) {
    for (std::size_t more = 0; more < 3; ++more) {
      std::string long_line = "2," + std::string(more, 'x');
      while (long_line.size() < 3'300'000) {
        long_line += "\xE2\x82\xAC\xF0\x9F\x98\x80";
      }
      scan_ = FileScan();
      write("a.csv", fmt::format("id,name,amount\n1,a,1\n{}{}", long_line, end));
      write("b.csv", fmt::format("id,name,amount\n1,b,1\n{}\n3,c,3\n4,d\n", long_line));
      EXPECT_EQ(read(kSchema), (Lines{"1|a|1.0", "1|b|1.0", "3|c|3.0"}));
      EXPECT_EQ(input_->malformed, 3);
      std::map<std::string, std::string> whole;
      for (const MalformedRow& row : kept_.sorted()) {
        if (row.line == 5) {
          EXPECT_EQ(row.raw, "4,d");
          EXPECT_EQ(row.part, 0);
          continue;
        }
        EXPECT_EQ(row.line, 3);
        EXPECT_GT(row.part, 0);
        EXPECT_FALSE(find_invalid_utf8(row.raw));
        EXPECT_LT(row.raw.size(), 2'500'000U);
        whole[row.origin] += row.raw;
      }
      ASSERT_EQ(whole.size(), 2U);
      for (const auto& [file, line] : whole) {
        EXPECT_TRUE(line == long_line) << file << more;
      }
    }
  }
}

// A quote left open in the middle of a large file: only its line may be lost.
TEST_F(FileScanTest, AnOpenQuoteInALargeFile) {
  std::string text = "id,name,amount\n";
  for (int i = 0; i < 300'000; ++i) {
    text += i == 100'000 ? std::string("100000,\"open,1\n") : fmt::format("{},name {},1\n", i, i);
  }
  write("a.csv", text);
  format_.max_line_bytes = 2'000'000;
  EXPECT_EQ(read(kSchema, {0, 1, 2}).size(), 299'999U);
  EXPECT_EQ(malformed(), (Lines{"100002  100000,\"open,1"}));
}

constexpr const char* kWithText = "id BIGINT, name VARCHAR, amount DOUBLE, bad VARCHAR";

/// Rows in their order, which one thread keeps.
class PermissiveTest : public FileScanTest {
 protected:
  PermissiveTest() {
    format_.on_malformed = OnMalformed::permissive;
    format_.corrupt_record_column = "bad";
    threads_ = 1;
    sorted_ = false;
  }
};

TEST_F(PermissiveTest, AMalformedRowIsOneOfNulls) {
  write("a.csv",
        "id,name,amount\n"
        "1,a,1.5\n"
        "2,b,much\n"
        ",,y\n"
        "3,d\n"
        "5,\xFF\xFE"
        "e,2.5\n"
        "6,\"f\"g,2\n"
        "7,g,7\n"
        "8,\"open,8\n"
        "9,i,9\n"
        "10,k");
  const Lines rows{"1|a|1.5",        "NULL|NULL|NULL", "NULL|NULL|NULL", "NULL|NULL|NULL",
                   "NULL|NULL|NULL", "NULL|NULL|NULL", "7|g|7.0",        "NULL|NULL|NULL",
                   "9|i|9.0",        "NULL|NULL|NULL"};
  const Lines texts{"NULL",       "2,b,much", ",,y",        "3,d",  "5,��e,2.5",
                    "6,\"f\"g,2", "NULL",     "8,\"open,8", "NULL", "10,k"};
  Lines both;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    both.push_back(rows[i] + "|" + texts[i]);
  }
  EXPECT_EQ(read(kWithText), both);
  EXPECT_EQ(input_->malformed, 7);
  EXPECT_EQ(kept_.passed(), 7);
  EXPECT_TRUE(kept_.sorted().empty());
  EXPECT_EQ(read(kWithText, {0, 1, 2}), rows) << "nobody reads the texts";
  EXPECT_EQ(read(kWithText, {2, 0, 1, 2, 3, 3}).at(1), "NULL|NULL|NULL|NULL|2,b,much|2,b,much");
  // Of columns that nobody reads, only the structure is checked.
  EXPECT_EQ(read(kWithText, {3}), (Lines{"NULL", "NULL", "NULL", texts[3], texts[4], texts[5],
                                         "NULL", texts[7], "NULL", texts[9]}));
  EXPECT_EQ(read(kWithText, {duckdb::COLUMN_IDENTIFIER_EMPTY}).size(), 10U);
  format_.corrupt_record_column.clear();
  EXPECT_EQ(read(kSchema), rows);
}

TEST_F(PermissiveTest, TheColumnForTextsIsNoField) {
  format_.header = false;
  write("a.csv", "1,a,1.5\n2,b,much\n");
  EXPECT_EQ(read(kWithText), (Lines{"1|a|1.5|NULL", "NULL|NULL|NULL|2,b,much"}));
  format_.header = true;
  write("b.csv", "id,name,amount,Bad\n1,a,1.5,x\n");
  scan_.files.erase(scan_.files.begin());
  const std::string error = error_of(kWithText);
  EXPECT_NE(error.find("b.csv"), std::string::npos) << error;
  EXPECT_NE(error.find("`Bad`, which is the `corrupt_record_column`"), std::string::npos) << error;
}

TEST_F(PermissiveTest, Json) {
  format_.kind = FileFormat::Kind::json;
  write("a.json",
        "{\"id\": 1, \"more\": {\"n\": 1}, \"tags\": [\"a longer tag than twelve\"], \"bad\": 7}\n"
        "{\"id\": 2, \"na\n"
        "{\"id\": \"x\", \"tags\": [\"y\"]}  \r\n"
        "{\"id\": 3}\n"
        "[1]\n"
        "{\"id\": 4, \"more\": {\"n\": \"x\"}}\n"
        "{\"id\": 5, \"tags\": [\"\xFF\"]}\n"
        "{\"id\": 6}");
  const std::string schema = "id BIGINT, tags VARCHAR[], more STRUCT(n INTEGER), bad VARCHAR";
  EXPECT_EQ(
      read(schema),
      (Lines{"1|[a longer tag than twelve]|{'n': 1}|NULL", "NULL|NULL|NULL|{\"id\": 2, \"na",
             "NULL|NULL|NULL|{\"id\": \"x\", \"tags\": [\"y\"]}  ", "3|NULL|NULL|NULL",
             "NULL|NULL|NULL|[1]", "NULL|NULL|NULL|{\"id\": 4, \"more\": {\"n\": \"x\"}}",
             "NULL|NULL|NULL|{\"id\": 5, \"tags\": [\"\xEF\xBF\xBD\"]}", "6|NULL|NULL|NULL"}));
  EXPECT_EQ(input_->malformed, 5);
  EXPECT_TRUE(kept_.sorted().empty());
  // Alone, and twice. What is wrong with columns that nobody reads doesn't matter.
  EXPECT_EQ(read(schema, {3, 3}).at(1), "{\"id\": 2, \"na|{\"id\": 2, \"na");
  EXPECT_EQ(read(schema, {0}).size(), 8U);
}

TEST_F(PermissiveTest, LateTypes) {
  write("a.csv",
        "id,tags,t,name\n1,\"[a, b]\",10:30:00,a\n2,[],never,b\n3,x,11:00:00,c\n"
        "x,[],12:00:00,d\n4,,13:00:00,e\n5,f\n6,x,never,g\n7,[c],14:00:00,h\n");
  const Lines want{"1|[a, b]|10:30:00|a|NULL",
                   "NULL|NULL|NULL|NULL|2,[],never,b",
                   "NULL|NULL|NULL|NULL|3,x,11:00:00,c",
                   "NULL|NULL|NULL|NULL|x,[],12:00:00,d",
                   "4|NULL|13:00:00|e|NULL",
                   "NULL|NULL|NULL|NULL|5,f",
                   "NULL|NULL|NULL|NULL|6,x,never,g",
                   "7|[c]|14:00:00|h|NULL"};
  EXPECT_EQ(read("id BIGINT, tags VARCHAR[], t TIME, name VARCHAR, bad VARCHAR"), want);
  EXPECT_EQ(input_->malformed, 5) << "two values that don't fit are one row";
  EXPECT_EQ(read("id BIGINT, tags VARCHAR[], t TIME, name VARCHAR, bad VARCHAR", {3, 2}),
            (Lines{"a|10:30:00", "NULL|NULL", "c|11:00:00", "d|12:00:00", "e|13:00:00", "NULL|NULL",
                   "NULL|NULL", "h|14:00:00"}));
}

TEST_F(PermissiveTest, SeveralThreads) {
  threads_ = 2;
  sorted_ = true;
  const std::string padding(40, 'p');
  std::string csv = "id,tags,t\n";
  std::string json;
  Lines want_csv;
  Lines want_json;
  for (int i = 0; i < 60'000; ++i) {
    const bool good = i % 3 != 0;
    const auto line = fmt::format("{},{},{}", good ? std::to_string(i) : "x", padding,
                                  i % 5 == 0 ? "never" : "10:00:00");
    const auto object =
        fmt::format(R"({{"id": {}, "tags": "{}"}})", good ? std::to_string(i) : "{", padding);
    csv += line + "\n";
    json += object + "\n";
    want_csv.push_back(good && i % 5 != 0 ? fmt::format("{}|{}|10:00:00|NULL", i, padding)
                                          : "NULL|NULL|NULL|" + line);
    want_json.push_back(good ? fmt::format("{}|{}|NULL", i, padding) : "NULL|NULL|" + object);
  }
  std::ranges::sort(want_csv);
  std::ranges::sort(want_json);
  write("a.csv", csv);
  EXPECT_TRUE(read("id BIGINT, tags VARCHAR, t TIME, bad VARCHAR") == want_csv);
  EXPECT_EQ(input_->malformed, 28'000);
  scan_ = FileScan();
  format_.kind = FileFormat::Kind::json;
  write("a.json", json);
  EXPECT_TRUE(read("id BIGINT, tags VARCHAR, bad VARCHAR") == want_json);
  EXPECT_EQ(input_->malformed, 20'000);
}

// A record that can't be held is no row; a quote that is never closed costs only its line.
TEST_F(PermissiveTest, RecordsTooLongToBeHeld) {
  format_.max_line_bytes = 1'000'000;
  const std::string long_line = "2," + std::string(5'000'000, 'x') + ",2";
  std::string text = "name,id,amount\nA,1,1\n" + long_line + "\nC,3,3\nD,\"open,4\n";
  for (int i = 0; i < 300'000; ++i) {
    text += "E,5,5\n";
  }
  write("a.csv", text);
  const auto rows = read(kWithText);
  ASSERT_EQ(rows.size(), 300'003U);
  EXPECT_EQ(rows[1], "3|C|3.0|NULL");
  EXPECT_EQ(rows[2], "NULL|NULL|NULL|D,\"open,4");
  EXPECT_EQ(input_->malformed, 2);
  EXPECT_EQ(kept_.passed(), 1);
  std::string whole;
  for (const MalformedRow& row : kept_.sorted()) {
    EXPECT_EQ(row.line, 3);
    EXPECT_EQ(row.header, "name,id,amount");
    whole += row.raw;
  }
  EXPECT_TRUE(whole == long_line);
}

// The order of a file's columns is part of what its rows mean.
TEST_F(FileScanTest, RowsOfAnotherOrderComeWithTheirHeader) {
  write("a.csv", "id,name,amount\nx,a,1\n");
  write("c.csv", "ID,Name,AMOUNT\nx,a,1\n");
  write("d.csv",
        "\xEF\xBB\xBF"
        "amount, ID ,\"name\"\r\n1\r\n2,x,a\r\n");
  EXPECT_TRUE(read(kSchema).empty());
  ASSERT_EQ(kept_.sorted().size(), 4U);
  for (const MalformedRow& row : kept_.sorted()) {
    EXPECT_EQ(row.header, row.origin.ends_with("d.csv") ? "amount, ID ,\"name\"" : "") << row.raw;
  }
  // One that is found late, too.
  write("e.csv", "t,id\nnever,1\n");
  scan_.files.erase(scan_.files.begin(), scan_.files.end() - 1);
  EXPECT_TRUE(read("id BIGINT, t TIME").empty());
  ASSERT_EQ(kept_.sorted().size(), 1U);
  EXPECT_EQ(kept_.sorted()[0].header, "t,id");
}

}  // namespace
}  // namespace millrace::sql
