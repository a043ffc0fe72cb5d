#include "formats/avro/columns.h"

#include <gtest/gtest.h>

#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

std::string sql_of(std::string_view type) {
  return columns_of(parse_schema(with_field(type))).columns.at(0).type;
}

TEST(AvroColumnsTest, TypesOfTheTable) {
  EXPECT_EQ(sql_of(R"("boolean")"), "BOOLEAN");
  EXPECT_EQ(sql_of(R"("int")"), "INTEGER");
  EXPECT_EQ(sql_of(R"("long")"), "BIGINT");
  EXPECT_EQ(sql_of(R"("float")"), "FLOAT");
  EXPECT_EQ(sql_of(R"("double")"), "DOUBLE");
  EXPECT_EQ(sql_of(R"("string")"), "VARCHAR");
  EXPECT_EQ(sql_of(R"("null")"), "VARCHAR");
  EXPECT_EQ(sql_of(R"("bytes")"), "BLOB");
  EXPECT_EQ(sql_of(R"({"type":"fixed","name":"F","size":3})"), "BLOB");
  EXPECT_EQ(sql_of(R"({"type":"enum","name":"E","symbols":["A"]})"), "VARCHAR");
  EXPECT_EQ(sql_of(R"({"type":"array","items":"int"})"), "INTEGER[]");
  EXPECT_EQ(sql_of(R"({"type":"map","values":["null","long"]})"), "MAP(VARCHAR, BIGINT)");
  EXPECT_EQ(sql_of(R"({"type":"int","logicalType":"date"})"), "DATE");
  EXPECT_EQ(sql_of(R"({"type":"long","logicalType":"time-micros"})"), "TIME");
  EXPECT_EQ(sql_of(R"({"type":"long","logicalType":"timestamp-nanos"})"),
            "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(sql_of(R"({"type":"long","logicalType":"local-timestamp-millis"})"), "TIMESTAMP");
  EXPECT_EQ(sql_of(R"({"type":"string","logicalType":"uuid"})"), "UUID");
  EXPECT_EQ(sql_of(R"({"type":"fixed","name":"F","size":12,"logicalType":"duration"})"),
            "INTERVAL");
  EXPECT_EQ(sql_of(R"({"type":"bytes","logicalType":"decimal","precision":38,"scale":38})"),
            "DECIMAL(38,38)");
}

TEST(AvroColumnsTest, UnionsOfSeveralAreStructs) {
  EXPECT_EQ(sql_of(R"(["null","int"])"), "INTEGER");
  EXPECT_EQ(sql_of(R"(["int"])"), "INTEGER");
  EXPECT_EQ(sql_of(R"(["null","int","string"])"), R"(STRUCT("int" INTEGER, "string" VARCHAR))");
  // Full names where the short ones are not enough.
  EXPECT_EQ(
      sql_of(R"([{"type":"fixed","name":"a.F","size":1},{"type":"fixed","name":"b.F","size":1}])"),
      R"(STRUCT("a.F" BLOB, "b.F" BLOB))");
}

TEST(AvroColumnsTest, TextIsReadAgainAsTheSameType) {
  const AvroSchema schema = parse_schema(with_field(
      R"({"type":"record","name":"N","fields":[{"name":"order","type":{"type":"array","items":"int"}},
          {"name":"End","type":["bytes","long"]}]})"));
  EXPECT_EQ(row_type(columns_of(schema)), row_type(schema));
}

TEST(AvroColumnsTest, WhatSqlCanNotHold) {
  const auto refusal = [](std::string_view json) {
    return error_of([&] { (void)columns_of(parse_schema(json)); });
  };
  EXPECT_EQ(
      refusal(R"({"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]})"),
      "avro: column next: `L` contains itself, and SQL has no recursive types; leave the "
      "column out of what is read");
  EXPECT_EQ(refusal(with_field(R"({"type":"bytes","logicalType":"decimal","precision":39})")),
            "avro: column f: a decimal of 39 digits, and SQL has 38; declare the column as BLOB to "
            "have its bytes");
  EXPECT_NE(refusal(with_field(R"({"type":"record","name":"E","fields":[]})")), "");
  EXPECT_NE(refusal(R"("int")"), "");
  EXPECT_NE(refusal(R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},
                        {"name":"A","type":"int"}]})"),
            "");
  // Branches become fields by their names, also where a record is called as a built-in type.
  EXPECT_NE(refusal(with_field(R"([{"type":"map","values":"int"},
                                   {"type":"record","name":"map","fields":[]}])")),
            "");
  EXPECT_NE(refusal(with_field(R"([{"type":"enum","name":"E","symbols":["A"]},
                                   {"type":"enum","name":"e","symbols":["A"]}])")),
            "");
}

// Each type names the one before it twice: 2^40 columns in 2 KB of schema.
TEST(AvroColumnsTest, ASmallSchemaOfVeryManyColumns) {
  std::string type = R"({"type":"record","name":"T0","fields":[{"name":"x","type":"int"}]})";
  for (int i = 1; i < 40; i++) {
    const std::string before = std::to_string(i - 1);
    type.insert(0, R"({"type":"record","name":"T)" + std::to_string(i) +
                       R"(","fields":[{"name":"a","type":)");
    type += R"(},{"name":"b","type":"T)" + before + R"("}]})";
  }
  EXPECT_NE(error_of([&] { (void)columns_of(parse_schema(type)); }).find("10000 columns"),
            std::string::npos);
  // Nobody reads it: jumped over, until the bytes end.
  const auto writer = shared(R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},
                               {"name":"f","type":)" +
                             type + "}]}");
  const Json row = row_of(resolve(writer, columns({{"a", "INTEGER"}})), Bytes().number(1));
  EXPECT_TRUE(row.is_string());
}

TEST(AvroColumnsTest, SchemaOfColumns) {
  const AvroSchema schema =
      record_schema(columns({{"id", "BIGINT"},
                             {"at", "TIMESTAMP"},
                             {"price", "DECIMAL(12,2)"},
                             {"who", R"(STRUCT("name" VARCHAR, "tags" VARCHAR[]))"},
                             {"m", "MAP(VARCHAR, STRUCT(\"x\" UUID))"}}),
                    "shop.Order");
  EXPECT_EQ(schema.root().name, "shop.Order");
  EXPECT_EQ(schema.root().fields[3].type->parts[1]->name, "shop.Order.who");
  EXPECT_TRUE(schema.root().fields[0].default_value->is_null());
  EXPECT_EQ(columns_of(schema).text(),
            "id BIGINT, at TIMESTAMP, price DECIMAL(12,2), who STRUCT(\"name\" VARCHAR, \"tags\" "
            "VARCHAR[]), m MAP(VARCHAR, STRUCT(\"x\" UUID))");
}

TEST(AvroColumnsTest, NamesOfNestedTypesAreUnique) {
  const auto columns =
      avro::columns({{"who", "STRUCT(who STRUCT(a INTEGER), a STRUCT(who STRUCT(a INTEGER)[]))"},
                     {"a", "MAP(VARCHAR, STRUCT(who STRUCT(a INTEGER)))[]"},
                     {"string", "STRUCT(\"type\" STRUCT(a INTERVAL), a STRUCT(a INTEGER))"},
                     {"long", "INTERVAL[]"}});
  const AvroSchema schema = record_schema(columns, "Row");
  EXPECT_EQ(row_type(columns_of(schema)), row_type(columns));
  const auto type_of = [](const Node& node, std::size_t field) -> const Node& {
    return *node.fields[field].type->parts[1];
  };
  const Node& text = type_of(schema.root(), 2);
  EXPECT_EQ(text.name, "Row.string.type");
  EXPECT_EQ(type_of(text, 0).name, "Row.string.type.type");
  EXPECT_EQ(type_of(schema.root(), 3).parts[0]->parts[1]->name, "Row.long.type");
}

TEST(AvroColumnsTest, ColumnsThatAvroHasNoWordFor) {
  for (const auto& [name, type] : {std::pair("a b", "INTEGER"), std::pair("a", "ENUM('x')"),
                                   std::pair("a", "MAP(INTEGER, INTEGER)")}) {
    EXPECT_NE(error_of([&] { (void)record_schema(columns({{name, type}}), "R"); }), "") << type;
  }
}

}  // namespace
}  // namespace millrace::avro
