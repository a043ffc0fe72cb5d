#include "core/type.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using Id = Type::Id;

TEST(TypeTest, WordsOfOneAndOfSeveral) {
  EXPECT_EQ(parse_type("BIGINT").id, Id::i64);
  EXPECT_EQ(parse_type("TIMESTAMP").id, Id::timestamp);
  EXPECT_EQ(parse_type("TIMESTAMP_NS").id, Id::timestamp_ns);
  EXPECT_EQ(parse_type("TIMESTAMP WITH TIME ZONE").id, Id::timestamp_tz);
}

TEST(TypeTest, Decimals) {
  const Type type = parse_type("DECIMAL(12,2)");
  EXPECT_EQ(type.id, Id::decimal);
  EXPECT_EQ(type.precision, 12);
  EXPECT_EQ(type.scale, 2);
}

TEST(TypeTest, NestedInOneAnother) {
  const Type type =
      parse_type(R"(STRUCT(a INTEGER, "b ""c" MAP(VARCHAR, DECIMAL(4,1)[]), "d,e" DATE)[][])");
  ASSERT_EQ(type.id, Id::list);
  ASSERT_EQ(type.parts[0].type.id, Id::list);
  const Type& row = type.parts[0].type.parts[0].type;
  ASSERT_EQ(row.id, Id::structure);
  ASSERT_EQ(row.parts.size(), 3);
  EXPECT_EQ(row.parts[1].name, "b \"c");
  ASSERT_EQ(row.parts[1].type.id, Id::map);
  EXPECT_EQ(row.parts[1].type.parts[0].type.id, Id::varchar);
  EXPECT_EQ(row.parts[1].type.parts[1].type.parts[0].type.scale, 1);
  EXPECT_EQ(row.parts[2].name, "d,e");
  EXPECT_EQ(row.parts[2].type.id, Id::date);
}

TEST(TypeTest, WhatIsNotUnderstoodIsOther) {
  for (const auto* text : {"ENUM('a', 'b')", "INTEGER[3]", "UNION(a INTEGER)", "INTEGERS",
                           "STRUCT(a)", "STRUCT(a INTEGER", "DECIMAL(39,0)", "BIGINT x", ""}) {
    EXPECT_EQ(parse_type(text).id, Id::other) << text;
  }
}

}  // namespace
}  // namespace millrace
