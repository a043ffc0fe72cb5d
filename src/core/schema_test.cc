#include "core/schema.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Schema, PhysicalTypes) {
  EXPECT_EQ(physical_of("BOOLEAN"), Physical::boolean);
  EXPECT_EQ(physical_of("integer"), Physical::i32);
  EXPECT_EQ(physical_of("UBIGINT"), Physical::u64);
  EXPECT_EQ(physical_of("DATE"), Physical::i32);
  EXPECT_EQ(physical_of("TIMESTAMP WITH TIME ZONE"), Physical::i64);
  EXPECT_EQ(physical_of("VARCHAR"), Physical::string);
  EXPECT_EQ(physical_of("DECIMAL(4,2)"), Physical::i16);
  EXPECT_EQ(physical_of("DECIMAL(9,0)"), Physical::i32);
  EXPECT_EQ(physical_of("DECIMAL(18,3)"), Physical::i64);
  EXPECT_EQ(physical_of("DECIMAL(38,10)"), Physical::i128);
  EXPECT_EQ(physical_of("DECIMAL"), Physical::i64);
  EXPECT_EQ(physical_of("DECIMAL(12,2)[]"), Physical::other);
  for (const auto* text :
       {"STRUCT(a INTEGER)", "MAP(INTEGER, INTEGER)", "UUID", "INTERVAL", "UHUGEINT", "ENUM('a')",
        "INTEGER[3]", "DECIMAL(39,0)", "DECIMAL(0)", "DECIMAL()", "decimals", ""}) {
    EXPECT_EQ(physical_of(text), Physical::other) << text;
  }
  EXPECT_EQ(physical_of(" decimal(10, 2)\n"), Physical::i64);
}

TEST(Schema, NamesAreFoundWithoutRegardToCase) {
  const Schema schema{
      {{"order_id", "BIGINT", Physical::i64}, {"the \"price\"", "DECIMAL(10,2)", Physical::i64}}};
  EXPECT_EQ(schema.find("Order_ID"), 0);
  EXPECT_EQ(schema.find("none"), -1);
  EXPECT_EQ(schema.text(), "order_id BIGINT, \"the \"\"price\"\"\" DECIMAL(10,2)");
}

}  // namespace
}  // namespace millrace
