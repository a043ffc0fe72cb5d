#include "formats/json/encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/json/plan.h"
#include "formats/json/test_rows.h"
#include "formats/testing/random_rows.h"

namespace millrace::json {
namespace {

/// A record decoded and encoded again.
std::string again(const Columns& columns, std::string_view record,
                  const EncoderOptions& options = {}) {
  const Schema schema = schema_of(columns);
  testing::MemoryColumns memory(schema);
  Decoder decoder(schema, {});
  decoder.begin(memory.writers());
  if (const auto wrong = decoder.decode(record, 5)) {
    return wrong->column + ": " + wrong->reason;
  }
  Encoder encoder(schema, options);
  std::string text = "before";
  const auto wrong = encoder.encode({.rows = 6, .columns = memory.views()}, 5, text);
  EXPECT_TRUE(text.starts_with("before"));
  return wrong ? wrong->column : text.substr(6);
}

void expect_same(const std::string& type, const std::string& value) {
  const std::string record = "{\"v\":" + value + "}";
  EXPECT_EQ(again(Columns{{"v", type}}, record), record) << type;
}

TEST(JsonEncoderTest, WhatWasReadIsWritten) {
  expect_same("BOOLEAN", "true");
  expect_same("TINYINT", "-128");
  expect_same("SMALLINT", "32767");
  expect_same("INTEGER", "-2147483648");
  expect_same("BIGINT", "-9223372036854775808");
  expect_same("UTINYINT", "255");
  expect_same("USMALLINT", "65535");
  expect_same("UINTEGER", "4294967295");
  expect_same("UBIGINT", "18446744073709551615");
  expect_same("HUGEINT", "-170141183460469231731687303715884105728");
  expect_same("HUGEINT", "0");
  expect_same("DECIMAL(4,1)", "-999.9");
  expect_same("DECIMAL(9,2)", "0.05");
  expect_same("DECIMAL(18,0)", "123456789012345678");
  expect_same("DECIMAL(38,38)", "-0.99999999999999999999999999999999999999");
  expect_same("DOUBLE", "0.1");
  expect_same("DOUBLE", "1e+300");
  expect_same("DOUBLE", "-0");
  expect_same("DOUBLE", "5e-324");
  expect_same("FLOAT", "0.1");
  expect_same("VARCHAR", R"("")");
  expect_same("VARCHAR", R"("a \"b\" \\ \n\t\r\b\f\u0000\u001f€𝄞/")");
  expect_same("BLOB", R"("AP8Q")");
  expect_same("BLOB", R"("AP8=")");
  expect_same("BLOB", R"("AA==")");
  expect_same("INTERVAL", R"("14 months -3 days -100:05:06.500000")");
  expect_same("INTERVAL", R"("00:00:00")");
  expect_same("UUID", R"("0f8fad5b-d9cb-469f-a165-70867728950e")");
  expect_same("DATE", R"("2024-02-29")");
  expect_same("DATE", R"("0000-01-01")");
  expect_same("DATE", R"("9999-12-31")");
  expect_same("TIME", R"("23:59:59.999999")");
  expect_same("TIME", R"("00:00:00")");
  expect_same("TIMESTAMP", R"("1969-12-31T23:59:59.000001")");
  expect_same("TIMESTAMP_S", R"("1600-12-31T23:59:59")");
  expect_same("TIMESTAMP_MS", R"("2024-02-29T12:34:56.789")");
  expect_same("TIMESTAMP_NS", R"("2024-02-29T12:34:56.000000001")");
  expect_same("TIMESTAMP WITH TIME ZONE", R"("2024-02-29T12:34:56.500000Z")");
  expect_same("BIGINT", "null");
}

TEST(JsonEncoderTest, RowsOfSeveralColumns) {
  const Columns columns{{"a", "INTEGER"}, {"b\"\n", "VARCHAR"}, {"c", "DATE"}};
  EXPECT_EQ(again(columns, R"({"b\"\n":"x"})"), R"({"a":null,"b\"\n":"x","c":null})");
  EXPECT_EQ(again(columns, R"({"b\"\n":"x"})", {.omit_nulls = true}), R"({"b\"\n":"x"})");
  EXPECT_EQ(again(columns, "{}", {.omit_nulls = true}), "{}");
}

TEST(JsonEncoderTest, ValuesWithoutAForm) {
  const Schema schema = schema_of({{"ok", "INTEGER"}, {"d", "DOUBLE"}});
  Encoder encoder(schema, {});
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    testing::MemoryColumns memory(schema);
    memory.writers()[1]->values<double>()[0] = value;
    std::string text = "kept";
    const auto wrong = encoder.encode({.rows = 1, .columns = memory.views()}, 0, text);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->column, "d");
    EXPECT_EQ(text, "kept");
  }
  EXPECT_EQ(again(Columns{{"v", "DATE"}}, R"({"v":-719529})"), "v");
  EXPECT_EQ(again(Columns{{"v", "TIMESTAMP"}}, R"({"v":253402300800000})"), "v");
  const Schema moments = schema_of(Columns{{"v", "TIMESTAMP_S"}});
  testing::MemoryColumns memory(moments);
  memory.writers()[0]->values<std::int64_t>()[0] = std::numeric_limits<std::int64_t>::max();
  std::string text;
  EXPECT_TRUE(Encoder(moments, {}).encode({.rows = 1, .columns = memory.views()}, 0, text));
}

TEST(JsonEncoderTest, NestedValues) {
  expect_same("INTEGER[]", "[1,null,-3]");
  expect_same("INTEGER[]", "[]");
  expect_same("INTEGER[]", "null");
  expect_same("VARCHAR[][]", R"([[],null,["a","longer than twelve bytes",null]])");
  expect_same(R"(STRUCT(a INTEGER, "b ""c" VARCHAR))", R"({"a":null,"b \"c":"x"})");
  expect_same("STRUCT(a STRUCT(b STRUCT(c DATE)))", R"({"a":{"b":{"c":"2024-02-29"}}})");
  expect_same("STRUCT(a STRUCT(b STRUCT(c DATE)))", R"({"a":{"b":null}})");
  expect_same("STRUCT(a STRUCT(b STRUCT(c DATE)))", "null");
  expect_same("MAP(VARCHAR, DECIMAL(4,2))", R"({"a\"":1.50,"":null})");
  expect_same("MAP(VARCHAR, INTEGER)", "{}");
  expect_same("MAP(VARCHAR, INTEGER)", "null");
  expect_same("MAP(VARCHAR, STRUCT(a TIME[], b BOOLEAN)[])",
              R"({"k":[{"a":["00:00:00"],"b":true},null,{"a":[],"b":null}],"l":[],"m":null})");
}

// The decoder reads keys that are texts only, so these maps are made by hand.
TEST(JsonEncoderTest, KeysThatAreNoTexts) {
  const auto with_key = [](const std::string& type, auto key) {
    const Schema schema = schema_of(Columns{{"v", "MAP(" + type + ", INTEGER)"}});
    testing::MemoryColumns memory(schema);
    ColumnWriter& map = *memory.writers()[0];
    map.begin_list(0);
    const std::size_t entry = map.add_element(0);
    map.parts()[0]->values<decltype(key)>()[entry] = key;
    map.parts()[1]->values<std::int32_t>()[entry] = 7;
    std::string text;
    const auto wrong = Encoder(schema, {}).encode({.rows = 1, .columns = memory.views()}, 0, text);
    return wrong ? wrong->column : text;
  };
  EXPECT_EQ(with_key("BIGINT", std::int64_t{-5}), R"({"v":{"-5":7}})");
  EXPECT_EQ(with_key("DECIMAL(9,2)", std::int32_t{-5}), R"({"v":{"-0.05":7}})");
  EXPECT_EQ(with_key("BOOLEAN", true), R"({"v":{"true":7}})");
  EXPECT_EQ(with_key("DATE", std::int32_t{0}), R"({"v":{"1970-01-01":7}})");
  EXPECT_EQ(with_key("DOUBLE", 0.5), R"({"v":{"0.5":7}})");
  EXPECT_EQ(with_key("DOUBLE", std::nan("")), "v{0}");
}

TEST(JsonEncoderTest, NullFieldsAreLeftOutAtEachLevel) {
  const Columns columns{{"s", "STRUCT(a INTEGER, b STRUCT(c INTEGER))"},
                        {"l", "STRUCT(a INTEGER)[]"},
                        {"m", "MAP(VARCHAR, INTEGER)"}};
  EXPECT_EQ(again(columns, R"({"s":{"b":{}},"l":[{},null],"m":{"k":null}})", {.omit_nulls = true}),
            R"({"s":{"b":{}},"l":[{},null],"m":{"k":null}})");
  EXPECT_EQ(again(columns, R"({"s":null,"l":[]})", {.omit_nulls = true}), R"({"l":[]})");
}

TEST(JsonEncoderTest, AFaultSaysWhereItIs) {
  const Schema schema = schema_of(Columns{{"v", "STRUCT(a INTEGER, b DOUBLE[])[]"}});
  testing::MemoryColumns memory(schema);
  ColumnWriter& list = *memory.writers()[0];
  list.begin_list(0);
  const std::size_t first = list.add_element(0);
  list.parts()[0]->set_null(first);
  const std::size_t second = list.add_element(0);
  ColumnWriter& numbers = *list.parts()[0]->parts()[1];
  numbers.begin_list(second);
  numbers.parts()[0]->values<double>()[numbers.add_element(second)] = std::nan("");
  Encoder encoder(schema, {});
  std::string text = "kept";
  for (int i = 0; i < 2; ++i) {  // nothing is left of the first fault
    const auto wrong = encoder.encode({.rows = 1, .columns = memory.views()}, 0, text);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->column, "v[1].b[0]");
    EXPECT_EQ(text, "kept");
  }
}

// SQL's row(1, 'a') has the type STRUCT(INTEGER, VARCHAR), which reads like something else.
TEST(JsonEncoderTest, AViewThatIsNotAsItsType) {
  const Schema schema = schema_of(Columns{{"v", "STRUCT(a INTEGER)"}});
  const std::vector<ColumnView> views(1);
  Encoder encoder(schema, {});
  std::string text;
  EXPECT_THROW((void)encoder.encode({.rows = 1, .columns = views}, 0, text), Error);
}

TEST(JsonEncoderTest, RandomRowsAreReadBack) {
  const std::vector<std::string> leaves{"BOOLEAN",       "TINYINT",
                                        "SMALLINT",      "INTEGER",
                                        "BIGINT",        "HUGEINT",
                                        "UTINYINT",      "USMALLINT",
                                        "UINTEGER",      "UBIGINT",
                                        "FLOAT",         "DOUBLE",
                                        "VARCHAR",       "BLOB",
                                        "DATE",          "TIME",
                                        "TIMESTAMP_S",   "TIMESTAMP_MS",
                                        "TIMESTAMP",     "TIMESTAMP_NS",
                                        "UUID",          "DECIMAL(4,1)",
                                        "DECIMAL(9,9)",  "DECIMAL(18,3)",
                                        "DECIMAL(38,5)", "TIMESTAMP WITH TIME ZONE"};
  constexpr std::size_t kRows = 40;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const Schema schema = testing::random_schema(leaves, 4, random);
    testing::MemoryColumns written(schema, kRows);
    testing::MemoryColumns read(schema, kRows);
    for (std::size_t row = 0; row < kRows; ++row) {
      for (std::size_t c = 0; c < schema.size(); ++c) {
        testing::fill(*written.writers()[c], parse_type(schema.columns[c].type), row, random);
      }
    }
    Encoder encoder(schema, {.omit_nulls = seed % 2 == 0});
    Decoder decoder(schema, {});
    decoder.begin(read.writers());
    const Chunk chunk{.rows = kRows, .columns = written.views()};
    for (std::size_t row = 0; row < kRows; ++row) {
      std::string text;
      ASSERT_FALSE(encoder.encode(chunk, row, text)) << schema.text();
      const auto wrong = decoder.decode(text, row);
      ASSERT_FALSE(wrong) << wrong->column << ": " << wrong->reason << "\n" << text;
      ASSERT_EQ(read.row(row), written.row(row)) << schema.text() << "\n" << text;
    }
  }
}

TEST(JsonEncoderTest, TypesThatAreRefused) {
  std::string deep = "INTEGER";
  for (std::size_t i = 0; i < kMaxTypeDepth; ++i) {
    deep += "[]";
  }
  for (const auto& [type, reason] : std::vector<std::pair<std::string, std::string>>{
           {"ENUM('a')", "JSON has no form for the type of v"},
           {"INTEGER[3]", "JSON has no form for the type of v"},
           {"STRUCT(a INTEGER, b MAP(VARCHAR, MAP(INTEGER[], INTEGER)[]))",
            "the keys of v.b{}[] have no text"},
           {"MAP(INTEGER[], INTEGER)[]", "the keys of v[] have no text"},
           {deep, "deeper than 64 levels"}}) {
    try {
      const Encoder encoder(schema_of(Columns{{"v", type}}), {});
      ADD_FAILURE() << type;
    } catch (const Error& error) {
      EXPECT_NE(std::string_view(error.what()).find(reason), std::string_view::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace millrace::json
