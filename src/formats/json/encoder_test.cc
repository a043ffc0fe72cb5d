#include "formats/json/encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "formats/json/test_rows.h"

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

TEST(JsonEncoderTest, TypesThatAreRefused) {
  for (const auto* type : {"INTERVAL", "INTEGER[]", "STRUCT(a INTEGER)", "ENUM('a')"}) {
    EXPECT_THROW(Encoder(schema_of(Columns{{"v", type}}), {}), Error) << type;
  }
}

}  // namespace
}  // namespace millrace::json
