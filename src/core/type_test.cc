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
  for (const auto* text :
       {"ENUM('a', 'b')", "INTEGER[3]", "UNION(a INTEGER)", "INTEGERS", "STRUCT(a)",
        "STRUCT(INTEGER, VARCHAR)", "STRUCT(a INTEGER", "DECIMAL(39,0)", "BIGINT x", "",
        "DECIMAL(5,6)", "DECIMAL(4294967297,0)", "DECIMAL(9,4294967297)"}) {
    EXPECT_EQ(parse_type(text).id, Id::other) << text;
  }
}

// Who walks through a type does so by recursion, which a text of any length must not drive.
TEST(TypeTest, DepthHasALimit) {
  const auto lists = [](std::size_t count) {
    std::string text = "DATE";
    for (std::size_t i = 0; i < count; i++) {
      text += "[]";
    }
    return text;
  };
  EXPECT_EQ(parse_type(lists(128)).id, Id::list);
  EXPECT_EQ(parse_type(lists(129)).id, Id::other);
  EXPECT_EQ(parse_type("MAP(VARCHAR, STRUCT(a " + lists(126) + ", b DATE))").id, Id::map);
  EXPECT_EQ(parse_type("MAP(VARCHAR, STRUCT(a " + lists(127) + ", b DATE))").id, Id::other);
  EXPECT_EQ(parse_type(lists(100'000)).id, Id::other);
  std::string text;
  for (int i = 0; i < 100'000; i++) {
    text += "STRUCT(a ";
  }
  EXPECT_EQ(parse_type(text).id, Id::other);
}

}  // namespace
}  // namespace millrace
