#include "formats/csv/text.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "formats/csv/test_rows.h"

namespace millrace::csv {
namespace {

TEST(TextTest, ARecordIsOneText) {
  const Schema schema = schema_of({{"line", "VARCHAR"}});
  testing::MemoryColumns memory(schema, 4);
  TextDecoder decoder(schema);
  decoder.begin(memory.writers());
  EXPECT_FALSE(decoder.decode("a \"text\",\nof any kind: ä", 0));
  EXPECT_FALSE(decoder.decode("", 1));
  const auto wrong = decoder.decode("ab\xff", 2);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->column, "line");
  EXPECT_EQ(wrong->reason, "not valid UTF-8 at byte 3");
  EXPECT_EQ(memory.row(0)["line"], "a \"text\",\nof any kind: ä");
  EXPECT_EQ(memory.row(1)["line"], "");
  EXPECT_THROW(TextDecoder(schema_of({{"a", "BLOB"}})), Error);
  EXPECT_THROW(TextDecoder(schema_of({{"a", "VARCHAR"}, {"b", "VARCHAR"}})), Error);
  EXPECT_THROW(TextDecoder(schema_of({})), Error);
}

/// A value, as a CSV field says it, as a text.
std::string text_of(const std::string& type, const std::string& field) {
  Rows rows(Columns{{"v", type}});
  rows.read(field);
  std::string text = "before";
  const auto wrong = TextEncoder(schema_of({{"v", type}}))
                         .encode({.rows = 1, .columns = rows.memory().views()}, 0, text);
  return wrong ? wrong->column + ": " + wrong->reason : text.substr(6);
}

TEST(TextTest, AValueIsWrittenWithoutQuotes) {
  EXPECT_EQ(text_of("VARCHAR", "\"a\"\"b\n\""), "a\"b\n");
  EXPECT_EQ(text_of("VARCHAR", "\"\""), "");
  EXPECT_EQ(text_of("BIGINT", "-5"), "-5");
  EXPECT_EQ(text_of("DECIMAL(9,2)", "1.5"), "1.50");
  EXPECT_EQ(text_of("TIMESTAMPTZ", "2024-02-29"), "2024-02-29T00:00:00Z");
  EXPECT_EQ(text_of("BLOB", "\\xFF\\x00a"), "/wBh");
  EXPECT_EQ(text_of("UUID", "F81D4FAE7DEC11D0A76500A0C91E6BF6"),
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(text_of("INTEGER", ""), "v: NULL has no text");
  EXPECT_THROW(TextEncoder(schema_of({{"a", "INTEGER[]"}})), Error);
  EXPECT_THROW(TextEncoder(schema_of({{"a", "INTEGER"}, {"b", "INTEGER"}})), Error);
  EXPECT_THROW(TextEncoder(schema_of({})), Error);
}

}  // namespace
}  // namespace millrace::csv
