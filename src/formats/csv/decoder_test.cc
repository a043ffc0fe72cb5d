#include "formats/csv/decoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/error.h"
#include "formats/csv/test_rows.h"

namespace millrace::csv {
namespace {

using nlohmann::json;

const Columns kTexts = {{"a", "VARCHAR"}, {"b", "VARCHAR"}, {"c", "VARCHAR"}};

TEST(CsvDecoderTest, FieldsAreTheColumnsInTheirOrder) {
  Rows rows(Columns{{"id", "BIGINT"}, {"name", "VARCHAR"}, {"price", "DECIMAL(9,2)"}});
  EXPECT_EQ(rows.read("7,apple,1.5"), json({{"id", 7}, {"name", "apple"}, {"price", "1.50"}}));
  EXPECT_EQ(rows.read("7,apple"), ": 2 fields instead of 3");
  EXPECT_EQ(rows.read("7,apple,1.5,"), ": 4 fields instead of 3");
  EXPECT_EQ(rows.read(""), ": 1 field instead of 3");
  EXPECT_EQ(rows.read("x,apple,1.5"), "id: `x` is no BIGINT");
  EXPECT_EQ(rows.read("9223372036854775808,,"),
            "id: `9223372036854775808` is out of range for BIGINT");
  EXPECT_EQ(rows.read("1,\"a\"\"b\",\"x\"\"y\""), "price: `x\"y` is no DECIMAL(9,2)");
}

TEST(CsvDecoderTest, QuotesHoldDelimitersQuotesAndLineEnds) {
  Rows rows(kTexts);
  EXPECT_EQ(rows.read("\"a,\"\"b\"\"\",\"two\r\nlines\",\"\""),
            json({{"a", "a,\"b\""}, {"b", "two\r\nlines"}, {"c", ""}}));
  EXPECT_EQ(rows.read(R"(say "hi",a""b, "c")"),
            json({{"a", R"(say "hi")"}, {"b", R"(a""b)"}, {"c", R"( "c")"}}));
  EXPECT_EQ(rows.read(R"("""","""""","a""")"), json({{"a", "\""}, {"b", "\"\""}, {"c", "a\""}}));
  EXPECT_EQ(rows.read("a,\"b\"c,d"), ": text follows a closing quote");
  EXPECT_EQ(rows.read("a,\"b\" ,d"), ": text follows a closing quote");
  EXPECT_EQ(rows.read("a,b,\"c"), ": a quote is never closed");
  EXPECT_EQ(rows.read("a,b,\""), ": a quote is never closed");
  EXPECT_EQ(rows.read("a,b,\"\"\""), ": a quote is never closed");
}

TEST(CsvDecoderTest, LineEndsMayEndARecord) {
  Rows rows(kTexts);
  const json want = {{"a", "x"}, {"b", nullptr}, {"c", "z"}};
  for (const char* record :
       {"x,,z", "x,,z\n", "x,,z\r\n", "x,,z\r", "x,,\"z\"\n", "x,,\"z\"\r\n", "x,,z\n\n"}) {
    EXPECT_EQ(rows.read(record), want) << record;
  }
  EXPECT_EQ(rows.read("x,y\r,z")["b"], "y\r");
  EXPECT_EQ(rows.read("x,y\n,z"), ": more than one line");
  EXPECT_EQ(rows.read("x,y,z\nx,y,z"), ": more than one line");
  EXPECT_EQ(rows.read("x,y,\"z\"\nx"), ": more than one line");
  EXPECT_EQ(rows.read("x,y,\"z\"\rx"), ": more than one line");
}

TEST(CsvDecoderTest, NullIsAnEmptyFieldUnlessItIsSaidOtherwise) {
  const Columns columns = {{"t", "VARCHAR"}, {"n", "INTEGER"}, {"b", "BLOB"}};
  Rows rows(columns);
  EXPECT_EQ(rows.read(",,"), json({{"t", nullptr}, {"n", nullptr}, {"b", nullptr}}));
  EXPECT_EQ(rows.read(R"("","","")"), json({{"t", ""}, {"n", nullptr}, {"b", ""}}));
  EXPECT_EQ(rows.read(" ,  , "), json({{"t", " "}, {"n", nullptr}, {"b", "20"}}));
  EXPECT_EQ(Rows(Columns{{"t", "VARCHAR"}}).read(""), json({{"t", nullptr}}));

  Rows named(columns, {.null_text = "NULL"});
  EXPECT_EQ(named.read("NULL,NULL,NULL"), json({{"t", nullptr}, {"n", nullptr}, {"b", nullptr}}));
  EXPECT_EQ(named.read(",,"), json({{"t", ""}, {"n", nullptr}, {"b", ""}}));
  EXPECT_EQ(named.read("\"NULL\",1,\"NULL\""), json({{"t", "NULL"}, {"n", 1}, {"b", "4e554c4c"}}));
  EXPECT_EQ(named.read("a,\"NULL\","), "n: `NULL` is no INTEGER");
}

TEST(CsvDecoderTest, OtherCharacters) {
  Rows rows(kTexts, {.delimiter = '\t', .quote = '\'', .escape = '\\'});
  EXPECT_EQ(rows.read("a,b\t'it\\'s'\t'\\\\'"), json({{"a", "a,b"}, {"b", "it's"}, {"c", "\\"}}));
  EXPECT_EQ(rows.read("a\\tb\t'\\n'\t\\'"), json({{"a", "a\\tb"}, {"b", "\\n"}, {"c", "\\'"}}));
  EXPECT_EQ(rows.read("a\tb\t'c\\'"), ": a quote is never closed");
  EXPECT_EQ(rows.read("a\tb\t'c\\"), ": a quote is never closed");
  const auto refuses = [](const Options& options) { EXPECT_THROW(Rows(kTexts, options), Error); };
  refuses({.delimiter = '"'});
  refuses({.delimiter = '\\', .escape = '\\'});
  refuses({.delimiter = '\n'});
  refuses({.quote = '\r'});
  refuses({.null_text = "a,b"});
  refuses({.null_text = "\""});
  refuses({.timestamp_format = "%Q"});
  refuses({.date_format = "%"});
  EXPECT_THROW(Rows(Columns{{"a", "INTEGER[]"}}), Error);
  EXPECT_THROW(Rows(Columns{{"a", "STRUCT(x INTEGER)"}}), Error);
  EXPECT_THROW(Rows(Columns{{"a", "ENUM('x')"}}), Error);
}

TEST(CsvDecoderTest, TextIsUtf8) {
  Rows rows(kTexts);
  EXPECT_EQ(rows.read("ä,日本,😀"), json({{"a", "ä"}, {"b", "日本"}, {"c", "😀"}}));
  EXPECT_EQ(rows.read("a,\xff,c"), ": not valid UTF-8 at byte 3");
  EXPECT_EQ(rows.read("a,b,\xed\xa0\x80"), ": not valid UTF-8 at byte 5");
  EXPECT_EQ(rows.read(std::string_view("a,\0b,c", 6))["b"], json(std::string("\0b", 2)));
}

TEST(CsvDecoderTest, WhatNobodyReadsIsNotDecoded) {
  const Schema schema = schema_of({{"a", "INTEGER"}, {"b", "INTEGER"}});
  testing::MemoryColumns memory(schema);
  Decoder decoder(schema, {});
  const std::vector<ColumnWriter*> some = {nullptr, memory.writers()[1]};
  decoder.begin(some);
  EXPECT_EQ(decoder.decode("no number,2", 0), std::nullopt);
  EXPECT_EQ(memory.row(0)["b"], 2);
}

TEST(CsvDecoderTest, ManyFieldsTakeNoMemory) {
  Rows rows(Columns{{"a", "VARCHAR"}});
  EXPECT_EQ(rows.read(std::string(10'000'000, ',')), ": 10,000,001 fields instead of 1");
  EXPECT_EQ(rows.read(std::string(1'000'001, '"')), ": a quote is never closed");
  EXPECT_EQ(rows.read(std::string(1'000'000, '"'))["a"].get<std::string>().size(), 499'999U);
}

/// Whatever it is: a row, or a reason.
TEST(CsvDecoderTest, DamagedRecords) {
  const Columns columns = {{"a", "VARCHAR"}, {"b", "DECIMAL(30,3)"}, {"c", "TIMESTAMP"},
                           {"d", "DOUBLE"},  {"e", "BLOB"},          {"f", "INTERVAL"}};
  const std::string good = "\"a\"\"b\",-12.5,2024-02-29 12:00:00.5,1e10,a\\xFFb,3 days 04:05:06\n";
  std::mt19937 random(17);
  const std::string bytes = "\",\\\n\r x0-:.e+\xff" + std::string(1, '\0');
  for (const Options& options :
       {Options{}, Options{.escape = '\\'},
        Options{.timestamp_format = "%Y-%m-%d %H:%M:%S.%f", .date_format = "%d"}}) {
    Rows rows(columns, options);
    ASSERT_TRUE(rows.read(good).is_object() || options.escape != '"');
    for (int i = 0; i < 20'000; ++i) {
      std::string record = good;
      for (auto changes = random() % 4 + 1; changes > 0 && !record.empty(); --changes) {
        const std::size_t at = random() % record.size();
        switch (random() % 3) {
          case 0:
            record.erase(at, random() % 4);
            break;
          case 1:
            record.insert(at, 1, bytes[random() % bytes.size()]);
            break;
          default:
            record[at] = static_cast<char>(random());
        }
      }
      const json row = rows.read(record);
      ASSERT_TRUE(row.is_object() || row.get<std::string>().contains(": "));
    }
  }
}

}  // namespace
}  // namespace millrace::csv
