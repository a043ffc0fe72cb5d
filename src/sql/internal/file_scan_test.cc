#include "sql/internal/file_scan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "sql/internal/file_scan_fixture.h"

namespace millrace::sql {
namespace {

TEST_F(FileScanTest, MatchesColumnsByName) {
  write("a.csv", "id,name,amount\n1,a,1.5\n");
  write("b.csv", "Amount, ID ,name\n2.5,2,b\n");
  EXPECT_EQ(read(kSchema), (Lines{"1|a|1.5", "2|b|2.5"}));
  EXPECT_EQ(read(kSchema, {2}), (Lines{"1.5", "2.5"}));
}

TEST_F(FileScanTest, TellsWhichColumnsDiffer) {
  write("a.csv", "id,nam,extra,amount\n");
  const std::string text = error_of(kSchema);
  EXPECT_NE(text.find("a.csv"), std::string::npos) << text;
  EXPECT_NE(text.find("missing: `name`"), std::string::npos) << text;
  EXPECT_NE(text.find("not in the schema: `nam`, `extra`"), std::string::npos) << text;
  EXPECT_NE(text.find("is `nam` meant to be `name`?"), std::string::npos) << text;
}

// count(*) reads no column at all.
TEST_F(FileScanTest, CountsRowsWithoutReadingColumns) {
  write("a.csv", "id,name,amount\n1,a,1.5\n2,b,x\n3,c\n");
  EXPECT_EQ(read(kSchema, {duckdb::COLUMN_IDENTIFIER_EMPTY}).size(), 2U);
  EXPECT_EQ(input_->malformed, 1);
}

TEST_F(FileScanTest, TakesFilesAsTheyAre) {
  write("empty.csv", "");
  write("header.csv", "id,name,amount\n");
  write("bom.csv", "\xEF\xBB\xBFid,name,amount\n1,bom,1\n");
  write("crlf.csv", "id,name,amount\r\n2,crlf,2\r\n");
  write("cr.csv", "id,name,amount\r3,cr,3\r");
  write("cut.csv", "id,name,amount\n4,no newline,4");
  write("quoted.csv", "id,name,amount\n5,\"a, \"\"b\"\"\nc\",5\n");
  write("nul.csv", std::string("id,name,amount\n6,x\0y,6\n", 22));
  write("mixed.csv", "id,name,amount\n7,mixed,7\r\n\n8,\xC3\xA4,8\n");
  const Lines want{"1|bom|1.0",         "2|crlf|2.0",  "3|cr|3.0",      "4|no newline|4.0",
                   "5|a, \"b\"\nc|5.0", "7|mixed|7.0", "8|\xC3\xA4|8.0"};
  Lines got = read(kSchema);
  ASSERT_EQ(got.size(), want.size() + 1);
  EXPECT_TRUE(got[5].starts_with("6|")) << got[5];
  got.erase(got.begin() + 5);
  EXPECT_EQ(got, want);
  EXPECT_EQ(input_->malformed, 0);
}

TEST_F(FileScanTest, NullsAndQuotes) {
  write("a.csv", "id,name,amount\n,,\n1,\"\",\"\"\n2,\\N, 3.5 \n");
  EXPECT_EQ(read(kSchema), (Lines{"1||NULL", "2|\\N|3.5", "NULL|NULL|NULL"}));
  format_.null_text = "\\N";
  EXPECT_EQ(read(kSchema), (Lines{"1||NULL", "2|NULL|3.5", "NULL||NULL"}));
}

TEST_F(FileScanTest, LongRecords) {
  const std::string ten_megabytes(10'000'000, 'x');
  write("a.csv", "id,name,amount\n1,a,1\n2," + ten_megabytes + ",2\n3,c,3\n");
  EXPECT_EQ(read(kSchema), (Lines{"1|a|1.0", "2|" + ten_megabytes + "|2.0", "3|c|3.0"}));
  format_.max_line_bytes = 1'000'000;
  EXPECT_EQ(read(kSchema), (Lines{"1|a|1.0", "3|c|3.0"}));
  EXPECT_EQ(input_->malformed, 1);
  EXPECT_EQ(kept_.sorted().at(0).line, 3);
}

TEST_F(FileScanTest, Types) {
  write("a.csv",
        "d,i,t,dt,b,s,u\n"
        "1.50,-7,2026-01-02 03:04:05,2026-01-02,true,small,2\n"
        "-0.01,8,2026-01-02T03:04:05Z,2026-01-02,false,,300\n"
        "123.456,9,nonsense,2026-01-02,true,,1\n"
        "1,99999999999,2026-01-02,2026-01-02,maybe,,1\n");
  EXPECT_EQ(
      read("d DECIMAL(12,2), i INTEGER, t TIMESTAMP, dt DATE, b BOOLEAN, s VARCHAR, u UTINYINT",
           {}),
      (Lines{"1.50|-7|2026-01-02 03:04:05|2026-01-02|true|small|2"}));
  EXPECT_EQ(malformed(), (Lines{"3 u -0.01,8,2026-01-02T03:04:05Z,2026-01-02,false,,300",
                                "4 t 123.456,9,nonsense,2026-01-02,true,,1",
                                "5 i 1,99999999999,2026-01-02,2026-01-02,maybe,,1"}));
}

// Types that DuckDB casts a chunk at a time: a misfit is found late, and taken out again.
TEST_F(FileScanTest, LateTypes) {
  write("a.csv", "id,tags,t\n1,\"[a, b]\",10:30:00\n2,[],never\n3,x,11:00:00\n4,,12:00:00\n");
  EXPECT_EQ(read("id BIGINT, tags VARCHAR[], t TIME"),
            (Lines{"1|[a, b]|10:30:00", "4|NULL|12:00:00"}));
  EXPECT_EQ(malformed(), (Lines{"3 t 2,[],never", "4 tags 3,x,11:00:00"}));
}

TEST_F(FileScanTest, Formats) {
  write("a.csv", "d;t\n02.01.2026;02.01.2026 03:04\n2026-01-02;x\n");
  format_.delimiter = ';';
  format_.date_format = "%d.%m.%Y";
  format_.timestamp_format = "%d.%m.%Y %H:%M";
  EXPECT_EQ(read("d DATE, t TIMESTAMP"), (Lines{"2026-01-02|2026-01-02 03:04:00"}));
  EXPECT_EQ(input_->malformed, 1);
}

TEST_F(FileScanTest, Compressed) {
  const std::string path = folder_ / "a.csv";
  std::ofstream(path) << "id,name,amount\n1,a,1.5\n";
  ASSERT_EQ(std::system(("gzip " + path).c_str()), 0);
  plan(path + ".gz");
  EXPECT_EQ(read(kSchema), (Lines{"1|a|1.5"}));
  write("b.csv.gz", "not gzip");
  EXPECT_NE(error_of(kSchema).find("b.csv.gz"), std::string::npos);
}

TEST_F(FileScanTest, NoticesFilesThatChange) {
  const std::string path = write("a.csv", "id,name,amount\n1,a,1.5\n");
  std::ofstream(path, std::ios::app) << "2,b,2\n";
  EXPECT_NE(error_of(kSchema).find("has changed since"), std::string::npos);
  fs::remove(path);
  EXPECT_NE(error_of(kSchema).find("is gone"), std::string::npos);
}

// Whatever is well-formed must read as Python's csv module reads it, wherever blocks are cut.
TEST_F(FileScanTest, ReadsWhatPythonReads) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces{"a",    "bcd", ",",         "\"\"", "\n",
                                        "\r\n", " ",   "x\xC3\xA9", "'"};
  std::string text = "id,name,note\n";
  for (int i = 0; i < 60'000; ++i) {
    std::string quoted;
    for (auto n = random() % 12; n > 0; --n) {
      quoted += pieces[random() % pieces.size()];
    }
    text += fmt::format("{},{},\"{}\"{}", i, random() % 3 == 0 ? "\"n,\"" : "plain", quoted,
                        random() % 2 == 0 ? "\n" : "\r\n");
  }
  const std::string path = write("a.csv", text);
  const std::string script = folder_ / "read.py";
  std::ofstream(script)
      << "import csv, sys\n"
         "for row in list(csv.reader(open(sys.argv[1], newline='', encoding='utf-8')))[1:]:\n"
         "    sys.stdout.buffer.write(('|'.join(row)).encode() + b'\\0')\n";
  const std::string expected_path = folder_ / "expected";
  ASSERT_EQ(std::system(fmt::format("python3 {} {} > {}", script, path, expected_path).c_str()), 0);
  std::ifstream expected_file(expected_path, std::ios::binary);
  Lines expected;
  for (std::string line; std::getline(expected_file, line, '\0');) {
    expected.push_back(line);
  }
  std::sort(expected.begin(), expected.end());
  ASSERT_EQ(expected.size(), 60'000U);
  for (threads_ = 1; threads_ <= 2; ++threads_) {
    EXPECT_TRUE(read("id BIGINT, name VARCHAR, note VARCHAR") == expected);
  }
}

TEST_F(FileScanTest, JsonLines) {
  format_.kind = FileFormat::Kind::json;
  write(
      "a.json",
      "{\"id\": 1, \"name\": \"a longer text than twelve\", \"tags\": [\"x\", \"a longer tag than "
      "twelve\"], \"more\": {\"n\": 1}}\n"
      "{\"id\": 2, \"na\n"
      "\n"
      "{\"id\": \"x\"}\n"
      "{\"id\": 3, \"extra\": true, \"more\": {\"other\": 1}}\r\n"
      "[1]\n"
      "{\"id\": 4, \"more\": {\"n\": \"x\"}}\n"
      "{\"id\": null, \"name\": 5}");
  EXPECT_EQ(read("id BIGINT, name VARCHAR, tags VARCHAR[], more STRUCT(n INTEGER)"),
            (Lines{"1|a longer text than twelve|[x, a longer tag than twelve]|{'n': 1}",
                   "3|NULL|NULL|{'n': NULL}", "NULL|5|NULL|NULL"}));
  EXPECT_EQ(input_->malformed, 4);
  ASSERT_EQ(malformed().size(), 4U);
  EXPECT_TRUE(malformed()[0].starts_with("2  {\"id\": 2")) << malformed()[0];
  EXPECT_TRUE(malformed()[1].starts_with("4  {\"id\": \"x\"")) << malformed()[1];
  EXPECT_TRUE(malformed()[2].starts_with("6 ")) << malformed()[2];
  EXPECT_EQ(read("id BIGINT, name VARCHAR", {duckdb::COLUMN_IDENTIFIER_EMPTY}).size(), 5U);
}

TEST_F(FileScanTest, Parquet) {
  format_.kind = FileFormat::Kind::parquet;
  const std::string a = folder_ / "a.parquet";
  const std::string b = folder_ / "b.parquet";
  database_.query(
      fmt::format("COPY (SELECT 1::INTEGER AS id, 'a' AS name, 1.5::FLOAT AS amount) TO "
                  "'{}' (FORMAT parquet)",
                  a));
  database_.query(
      fmt::format("COPY (SELECT 2.5::DOUBLE AS amount, 'b' AS name, i AS id, 1 AS extra "
                  "FROM range(3) t(i)) TO '{}' (FORMAT parquet)",
                  b));
  plan(a);
  plan(b);
  EXPECT_EQ(read(kSchema), (Lines{"0|b|2.5", "1|a|1.5", "1|b|2.5", "2|b|2.5"}));
  EXPECT_EQ(read(kSchema, {1}), (Lines{"a", "b", "b", "b"}));
  EXPECT_EQ(read(kSchema, {duckdb::COLUMN_IDENTIFIER_EMPTY}).size(), 4U);
  EXPECT_NE(error_of("id BIGINT, nam VARCHAR").find("did you mean `name`?"), std::string::npos);
  EXPECT_NE(error_of("id SMALLINT").find("`id` is INTEGER, but the schema says SMALLINT"),
            std::string::npos);
  write("c.parquet", "PAR1 no");
  EXPECT_NE(error_of(kSchema).find("c.parquet"), std::string::npos);
}

}  // namespace
}  // namespace millrace::sql
