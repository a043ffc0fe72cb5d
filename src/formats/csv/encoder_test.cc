#include "formats/csv/encoder.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "base/error.h"
#include "formats/csv/test_rows.h"
#include "formats/testing/random_rows.h"

namespace millrace::csv {
namespace {

using nlohmann::json;

void expect_same(const std::string& type, const std::string& value) {
  EXPECT_EQ(value_as(type, value), value) << type;
}

TEST(CsvEncoderTest, WhatWasReadIsWritten) {
  for (const auto& [type, value] :
       Columns{{"BOOLEAN", "true"},
               {"TINYINT", "-128"},
               {"SMALLINT", "32767"},
               {"INTEGER", "-2147483648"},
               {"BIGINT", "-9223372036854775808"},
               {"UTINYINT", "255"},
               {"USMALLINT", "65535"},
               {"UINTEGER", "4294967295"},
               {"UBIGINT", "18446744073709551615"},
               {"HUGEINT", "-170141183460469231731687303715884105728"},
               {"DECIMAL(4,1)", "-999.9"},
               {"DECIMAL(9,2)", "0.05"},
               {"DECIMAL(18,0)", "123456789012345678"},
               {"DECIMAL(38,38)", "-0.12345678901234567890123456789012345678"},
               {"FLOAT", "0.1"},
               {"DOUBLE", "1e+300"},
               {"DOUBLE", "-0"},
               {"DOUBLE", "nan"},
               {"DOUBLE", "-inf"},
               {"DATE", "0000-01-01"},
               {"TIME", "23:59:59.123456"},
               {"TIMESTAMP", "9999-12-31T23:59:59.999999"},
               {"TIMESTAMP_S", "1969-12-31T23:59:59"},
               {"TIMESTAMP_MS", "2024-02-29T12:00:00.001"},
               {"TIMESTAMP_NS", "2024-02-29T12:00:00.000000001"},
               {"TIMESTAMP WITH TIME ZONE", "2024-02-29T12:00:00Z"},
               {"INTERVAL", "14 months -3 days -100:05:06.500000"},
               {"INTERVAL", "1 month"},
               {"INTERVAL", "00:00:00"},
               {"UUID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
               {"VARCHAR", "a longer text than twelve bytes: 日本"},
               {"BLOB", R"(a\x00\x22\x27\x5C\xFFz)"}}) {
    expect_same(type, value);
  }
}

TEST(CsvEncoderTest, OtherFormsOfValues) {
  EXPECT_EQ(value_as("INTEGER", " +007 "), "7");
  EXPECT_EQ(value_as("INTEGER", "1e3"), "1000");
  EXPECT_EQ(value_as("INTEGER", "-0"), "0");
  EXPECT_EQ(value_as("INTEGER", "1.5"), "v: `1.5` is no INTEGER");
  EXPECT_EQ(value_as("INTEGER", "+-1"), "v: `+-1` is no INTEGER");
  EXPECT_EQ(value_as("INTEGER", "1 2"), "v: `1 2` is no INTEGER");
  EXPECT_EQ(value_as("TINYINT", "128"), "v: `128` is out of range for TINYINT");
  EXPECT_EQ(value_as("DECIMAL(9,2)", ".5"), "0.50");
  EXPECT_EQ(value_as("DECIMAL(9,2)", "+5."), "5.00");
  EXPECT_EQ(value_as("DECIMAL(9,2)", "1.005"), "1.01");
  EXPECT_EQ(value_as("DECIMAL(9,2)", "."), "v: `.` is no DECIMAL(9,2)");
  EXPECT_EQ(value_as("DECIMAL(9,2)", "1.2.3"), "v: `1.2.3` is no DECIMAL(9,2)");
  EXPECT_EQ(value_as("DOUBLE", "+.5e1"), "5");
  EXPECT_EQ(value_as("DOUBLE", "Infinity"), "inf");
  EXPECT_EQ(value_as("DOUBLE", "-NaN"), "nan");
  EXPECT_EQ(value_as("DOUBLE", "1e-999"), "0");
  EXPECT_EQ(value_as("DOUBLE", "1e999"), "v: `1e999` is out of range for DOUBLE");
  EXPECT_EQ(value_as("DOUBLE", "1,5", {.delimiter = ';'}), "v: `1,5` is no DOUBLE");
  EXPECT_EQ(value_as("BOOLEAN", " TRUE "), "true");
  EXPECT_EQ(value_as("BOOLEAN", "F"), "false");
  EXPECT_EQ(value_as("BOOLEAN", "1"), "v: `1` is no BOOLEAN");
  EXPECT_EQ(value_as("TIMESTAMP", "2024-02-29 12:00:00+02"), "2024-02-29T10:00:00");
  EXPECT_EQ(value_as("TIMESTAMP", "2024-02-29"), "2024-02-29T00:00:00");
  EXPECT_EQ(value_as("TIMESTAMP", "1709208000"), "v: `1709208000` is no TIMESTAMP");
  EXPECT_EQ(value_as("DATE", "2023-02-29"), "v: `2023-02-29` is no DATE");
  EXPECT_EQ(value_as("INTERVAL", "1 year 2 mons 1 week"), "14 months 7 days");
  EXPECT_EQ(value_as("INTERVAL", "1 fortnight"), "v: `1 fortnight` is no INTERVAL");
  EXPECT_EQ(value_as("INTERVAL", "4:05"), "v: `4:05` is no INTERVAL");
  EXPECT_EQ(value_as("INTERVAL", "99999999999:00:00"), "v: `99999999999:00:00` is no INTERVAL");
  EXPECT_EQ(value_as("BLOB", "ä"), "v: `ä` is no BLOB");
  EXPECT_EQ(value_as("BLOB", "\\xF"), "v: `\\xF` is no BLOB");
  EXPECT_EQ(value_as("BLOB", "\\"), "v: `\\` is no BLOB");
}

TEST(CsvEncoderTest, OnlyWhatNeedsQuotesHasThem) {
  const Columns texts = {{"a", "VARCHAR"}, {"b", "VARCHAR"}};
  Rows rows(texts);
  for (const char* record :
       {R"(,"")", R"("a,b",c d)", R"("say ""hi""", x )", "\"a\nb\",\"a\rb\"", R"("""","""""")"}) {
    EXPECT_EQ(rows.again(record), record);
  }
  EXPECT_EQ(rows.again("\"a\",a\"b"), "a,\"a\"\"b\"");
  Rows escaped(texts, {.delimiter = ';', .quote = '\'', .escape = '\\', .null_text = "\\N"});
  EXPECT_EQ(escaped.again("'it\\'s';a\\b"), "'it\\'s';a\\b");
  EXPECT_EQ(escaped.again("'\\\\;';\\N"), "'\\\\;';\\N");
  EXPECT_EQ(escaped.again("'\\N';"), "'\\\\N';");
  // A number that reads like NULL, or has a delimiter in it.
  EXPECT_EQ(value_as("INTEGER", "\"-1\"", {.null_text = "-1"}), "\"-1\"");
  EXPECT_EQ(value_as("DOUBLE", "\"1.5\"", {.delimiter = '.'}), "\"1.5\"");
}

TEST(CsvEncoderTest, TimesInAFormOfTheirOwn) {
  const Options options = {.timestamp_format = "%d.%m.%Y %H:%M", .date_format = "%-d %b %y"};
  Rows rows(Columns{{"a", "TIMESTAMP"}, {"b", "DATE"}, {"c", "TIMESTAMPTZ"}}, options);
  EXPECT_EQ(rows.again("29.02.2024 12:30,1 Mar 24,\"01.01.1970 00:00\""),
            "29.02.2024 12:30,1 Mar 24,01.01.1970 00:00");
  EXPECT_EQ(rows.again("2024-02-29T12:30:00,1 Mar 24,"),
            "a: `2024-02-29T12:30:00` is no TIMESTAMP");
  EXPECT_EQ(rows.again(",31 Feb 24,"), "b: `31 Feb 24` is no DATE");
  EXPECT_EQ(value_as("TIMESTAMP_NS", "2400-01-01", {.timestamp_format = "%x"}),
            "v: `2400-01-01` is out of range for TIMESTAMP_NS");
}

TEST(CsvEncoderTest, TimesWithoutATextAreRefused) {
  Rows rows(Columns{{"id", "INTEGER"}, {"t", "TIMESTAMP"}});
  rows.read("1,2024-02-29");
  for (const std::int64_t value :
       {std::numeric_limits<std::int64_t>::max(), -std::numeric_limits<std::int64_t>::max(),
        std::int64_t{300'000'000'000'000'000}}) {
    rows.memory().writers()[1]->values<std::int64_t>()[0] = value;
    std::string text = "before";
    const auto wrong =
        rows.encoder().encode({.rows = 1, .columns = rows.memory().views()}, 0, text);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->column, "t");
    EXPECT_EQ(text, "before");
  }
}

TEST(CsvEncoderTest, RandomRowsAreReadBack) {
  const std::vector<std::string> leaves = {
      "BOOLEAN",     "TINYINT",      "INTEGER",
      "UBIGINT",     "HUGEINT",      "FLOAT",
      "DOUBLE",      "DECIMAL(4,2)", "DECIMAL(38,10)",
      "VARCHAR",     "BLOB",         "DATE",
      "TIME",        "TIMESTAMP",    "TIMESTAMP WITH TIME ZONE",
      "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
      "UUID"};
  std::mt19937 random(5);
  for (int i = 0; i < 100; ++i) {
    const Schema schema = testing::random_schema(leaves, 0, random);
    const Options options = {.delimiter = ",;|\t"[i % 4],
                             .escape = i % 3 == 0 ? '\\' : '"',
                             .null_text = i % 2 == 0 ? "" : "NULL"};
    testing::MemoryColumns from(schema);
    testing::MemoryColumns to(schema);
    Encoder encoder(schema, options);
    Decoder decoder(schema, options);
    decoder.begin(to.writers());
    for (std::size_t row = 0; row < 50; ++row) {
      for (std::size_t c = 0; c < schema.size(); ++c) {
        testing::fill(*from.writers()[c], parse_type(schema.columns[c].type), row, random);
      }
      std::string record;
      ASSERT_FALSE(encoder.encode({.rows = 50, .columns = from.views()}, row, record));
      const auto wrong = decoder.decode(record, row);
      ASSERT_FALSE(wrong) << wrong->column << ": " << wrong->reason << " in " << record;
      ASSERT_EQ(to.row(row), from.row(row)) << record;
    }
  }
}

/// Texts of all that has a meaning in CSV.
TEST(CsvEncoderTest, RandomTextsAreReadBack) {
  const Schema schema = schema_of({{"a", "VARCHAR"}, {"b", "VARCHAR"}, {"c", "BLOB"}});
  const std::string bytes = "\"',\\\n\r N";
  std::mt19937 random(11);
  for (const Options& options : {Options{}, Options{.escape = '\\'}, Options{.null_text = "N"},
                                 Options{.quote = '\'', .escape = 'N', .null_text = " "}}) {
    Encoder encoder(schema, options);
    Decoder decoder(schema, options);
    for (int i = 0; i < 5'000; ++i) {
      testing::MemoryColumns from(schema, 1);
      testing::MemoryColumns to(schema, 1);
      for (ColumnWriter* column : from.writers()) {
        std::string text;
        for (auto length = random() % 5; length > 0; --length) {
          text += bytes[random() % bytes.size()];
        }
        column->set_string(0, text);
        if (random() % 8 == 0) {
          column->set_null(0);
        }
      }
      std::string record;
      ASSERT_FALSE(encoder.encode({.rows = 1, .columns = from.views()}, 0, record));
      decoder.begin(to.writers());
      const auto wrong = decoder.decode(record, 0);
      ASSERT_FALSE(wrong) << wrong->column << ": " << wrong->reason << " in " << record;
      ASSERT_EQ(to.row(0), from.row(0)) << record;
    }
  }
}

}  // namespace
}  // namespace millrace::csv
