#include "formats/avro/resolve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/avro/default_value.h"
#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

// A schema of a stranger is as large as he likes: nothing may go through all of it for each part.
TEST(AvroResolveTest, LargeSchemas) {
  std::string fields;
  for (int i = 0; i < 9'000; i++) {
    fields += R"({"name":"a)" + std::to_string(i) + R"(","type":"int"},)";
  }
  std::string symbols = "\"A\"";
  for (int i = 0; i < 45'000; i++) {
    symbols += ",\"s" + std::to_string(i) + "\"";
  }
  const auto writer =
      shared(R"({"type":"record","name":"R","fields":[)" + fields +
             R"({"name":"e","type":{"type":"enum","name":"E","symbols":[)" + symbols + "]}}]}");
  EXPECT_EQ(resolve(writer).row.parts.size(), 9'001U);
  // 4 GB, if each of them held the name of what it lies in.
  const auto inner =
      shared(R"({"type":"record","name":"R","fields":[{"name":")" + std::string(500'000, 'x') +
             R"(","type":{"type":"record","name":"I","fields":[)" + fields +
             R"({"name":"b","type":"int"}]}}]})");
  EXPECT_EQ(resolve(inner).row.parts[0].type.parts.size(), 9'001U);
  EXPECT_EQ(resolve(writer, columns_of(*writer)).row.parts.size(), 9'001U);
}

/// Field `f` of one type read as field `f` of another.
Json read_as(std::string_view writer, std::string_view reader, const std::string& record) {
  const Json row = row_of(resolve(shared(with_field(writer)), shared(with_field(reader))), record);
  return row.is_object() ? row["f"] : row;
}

std::string refusal(std::string_view writer, std::string_view reader) {
  return error_of([&] { (void)resolve(shared(with_field(writer)), shared(with_field(reader))); });
}

/// The same as a declared column.
Json declared_as(std::string_view writer, const char* type, const std::string& record) {
  const Json row = row_of(resolve(shared(with_field(writer)), columns({{"f", type}})), record);
  return row.is_object() ? row["f"] : row;
}

std::string declared_refusal(std::string_view writer, const char* type) {
  return error_of([&] { (void)resolve(shared(with_field(writer)), columns({{"f", type}})); });
}

TEST(AvroResolveTest, Promotions) {
  EXPECT_EQ(read_as(R"("int")", R"("long")", Bytes().number(-3)), -3);
  EXPECT_EQ(read_as(R"("int")", R"("float")", Bytes().number(-3)), -3.0);
  EXPECT_EQ(read_as(R"("int")", R"("double")", Bytes().number(7)), 7.0);
  EXPECT_EQ(read_as(R"("long")", R"("float")", Bytes().number(7)), 7.0);
  EXPECT_EQ(read_as(R"("long")", R"("double")", Bytes().number(7)), 7.0);
  EXPECT_EQ(read_as(R"("float")", R"("double")", Bytes().little(0.5F)), 0.5);
  EXPECT_EQ(read_as(R"("string")", R"("bytes")", Bytes().text("ab")), "6162");
  EXPECT_EQ(read_as(R"("bytes")", R"("string")", Bytes().text("ab")), "ab");
  EXPECT_EQ(read_as(R"("bytes")", R"("string")", Bytes().text("\xFF")),
            "f: text that is no UTF-8, at byte 1");
  // An int that is promoted must still be an int.
  EXPECT_EQ(read_as(R"("int")", R"("long")", Bytes().number(1LL << 40U)),
            "f: a number that is too large, at byte 0");
}

TEST(AvroResolveTest, WhatIsNoPromotion) {
  EXPECT_EQ(refusal(R"("long")", R"("int")"),
            "avro: column f: the data is of type long, the reader's schema wants int");
  for (const auto& [writer, reader] :
       {std::pair(R"("double")", R"("float")"), std::pair(R"("string")", R"("int")"),
        std::pair(R"("boolean")", R"("int")"), std::pair(R"("null")", R"("int")"),
        std::pair(R"({"type":"array","items":"long"})", R"({"type":"array","items":"int"})"),
        std::pair(R"({"type":"map","values":"int"})", R"({"type":"array","items":"int"})"),
        std::pair(R"({"type":"fixed","name":"F","size":2})",
                  R"({"type":"fixed","name":"F","size":3})"),
        std::pair(R"({"type":"fixed","name":"F","size":2})",
                  R"({"type":"fixed","name":"G","size":2})"),
        std::pair(R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":1})",
                  R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":1})")}) {
    EXPECT_NE(refusal(writer, reader), "") << writer << " " << reader;
  }
}

TEST(AvroResolveTest, FieldsByNameAliasAndDefault) {
  const auto writer = shared(R"({"type":"record","name":"old.Order","fields":[
    {"name":"a","type":"int"},{"name":"gone","type":{"type":"array","items":"string"}},
    {"name":"b","type":"string"}]})");
  const auto reader = shared(R"({"type":"record","name":"new.Order","fields":[
    {"name":"bee","aliases":["x","b"],"type":"string"},
    {"name":"added","type":{"type":"array","items":"int"},"default":[1,2]},
    {"name":"maybe","type":["null","int"],"default":null},
    {"name":"a","type":"long"}]})");
  const std::string record = Bytes().number(5).number(1).text("z").number(0).text("text");
  EXPECT_EQ(row_of(resolve(writer, reader), record),
            Json::parse(R"({"a":5,"added":[1,2],"bee":"text","maybe":null})"));
}

TEST(AvroResolveTest, DefaultsOfEveryType) {
  const auto with_default = [](const std::string& type, const std::string& value) {
    const auto writer = shared(R"({"type":"record","name":"R","fields":[]})");
    const Json row = row_of(resolve(writer, shared(with_field(type, ",\"default\":" + value))), "");
    return row.is_object() ? row["f"] : row;
  };
  EXPECT_EQ(with_default(R"("boolean")", "true"), true);
  EXPECT_EQ(with_default(R"("int")", "-7"), -7);
  EXPECT_EQ(with_default(R"("double")", "2"), 2.0);
  EXPECT_EQ(with_default(R"("bytes")", R"("\u00ff\u0001A")"), "ff0141");
  EXPECT_EQ(with_default(R"({"type":"fixed","name":"F","size":1})", R"("\u00e9")"), "e9");
  EXPECT_EQ(with_default(R"({"type":"enum","name":"E","symbols":["A","B"]})", R"("B")"), "B");
  EXPECT_EQ(with_default(R"({"type":"map","values":"int"})", R"({"k":1})"), Json({{"k", 1}}));
  EXPECT_EQ(with_default(R"(["null","int"])", "4"), 4);  // since 1.12, of any branch
  EXPECT_EQ(with_default(R"({"type":"record","name":"N","fields":[{"name":"x","type":"int"},
                            {"name":"y","type":"int","default":2}]})",
                         R"({"x":1})"),
            Json::parse(R"({"x":1,"y":2})"));
  EXPECT_EQ(with_default(R"({"type":"int","logicalType":"time-millis"})", "3"), 3000);
}

TEST(AvroResolveTest, DefaultsWithoutEnd) {
  const auto endless = parse_schema(R"({"type":"record","name":"R","fields":[
    {"name":"next","type":"R","default":{}}]})");
  EXPECT_FALSE(encode_default(endless.root(), Json::object()).has_value());
  // Each level names the one below it twice.
  std::string type = R"("int")";
  for (int i = 0; i < 40; i++) {
    const std::string below = i == 0 ? type : fmt::format(R"("L{}")", i - 1);
    type = fmt::format(
        R"({{"type":"record","name":"L{}","fields":[)"
        R"({{"name":"a","type":{},"default":{}}},{{"name":"b","type":{},"default":{}}}]}})",
        i, type, i == 0 ? "1" : "{}", below, i == 0 ? "1" : "{}");
  }
  const auto wide = parse_schema(type);
  EXPECT_FALSE(encode_default(wide.root(), Json::object()).has_value());
}

TEST(AvroResolveTest, DefaultsThatAreNone) {
  const auto writer = shared(R"({"type":"record","name":"R","fields":[]})");
  for (const auto& [type, value] :
       {std::pair(R"("int")", "\"x\""), std::pair(R"("int")", "2147483648"),
        std::pair(R"("int")", "1.5"), std::pair(R"("long")", "9223372036854775808"),
        std::pair(R"("float")", "1e300"), std::pair(R"("bytes")", R"("\u0100")"),
        std::pair(R"(["int","string"])", "null"), std::pair(R"("string")", "null"),
        std::pair(R"({"type":"fixed","name":"F","size":2})", R"("a")"),
        std::pair(R"({"type":"array","items":"int"})", "[\"a\"]")}) {
    const auto reader = shared(with_field(type, std::string(",\"default\":") + value));
    EXPECT_NE(error_of([&] { (void)resolve(writer, reader); }), "") << type << value;
  }
  EXPECT_EQ(error_of([&] { (void)resolve(writer, shared(with_field(R"("int")"))); }),
            "avro: column f: the data has no such field, and the reader's has no default; give it "
            "one, or an alias");
}

TEST(AvroResolveTest, NamesOfRecords) {
  const auto of = [](const char* name, const char* aliases = "[]") {
    return shared(std::string(R"({"type":"record","name":")") + name + R"(","aliases":)" + aliases +
                  R"(,"fields":[{"name":"f","type":"int"}]})");
  };
  EXPECT_EQ(row_of(resolve(of("a.R"), of("b.R")), Bytes().number(1)), Json({{"f", 1}}));
  EXPECT_EQ(row_of(resolve(of("Old"), of("New", R"(["Old"])")), Bytes().number(1)),
            Json({{"f", 1}}));
  EXPECT_EQ(error_of([&] { (void)resolve(of("Old"), of("New")); }),
            "avro: the data is of type record Old, the reader's schema wants record New; give it "
            "the alias `Old` if it is the same");
}

TEST(AvroResolveTest, Enums) {
  const char* const abc = R"({"type":"enum","name":"E","symbols":["A","B","C"]})";
  EXPECT_EQ(read_as(abc, R"({"type":"enum","name":"E","symbols":["C","B"]})", Bytes().number(2)),
            "C");
  EXPECT_EQ(read_as(abc, R"({"type":"enum","name":"E","symbols":["X","B"],"default":"X"})",
                    Bytes().number(0)),
            "X");
  EXPECT_EQ(read_as(abc, R"({"type":"enum","name":"E","symbols":["B"]})", Bytes().number(0)),
            "f: symbol 0 is none of the reader's, and the reader's enum has no default, at byte 0");
}

TEST(AvroResolveTest, UnionsOnEitherSide) {
  // Of the reader only.
  EXPECT_EQ(read_as(R"("int")", R"(["null","long"])", Bytes().number(4)), 4);
  EXPECT_EQ(read_as(R"("int")", R"(["string","double","long"])", Bytes().number(4)),
            Json::parse(R"({"string":null,"double":4.0,"long":null})"));
  // Of the writer only: some data may not match.
  EXPECT_EQ(read_as(R"(["null","int"])", R"("int")", Bytes().number(1).number(4)), 4);
  EXPECT_EQ(read_as(R"(["null","int"])", R"("int")", Bytes().number(0)),
            "f: the data is of type null, the reader's schema wants int, at byte 1");
  EXPECT_NE(refusal(R"(["null","string"])", R"("int")"), "");
  // Of both, in another order.
  EXPECT_EQ(read_as(R"(["null","int","string"])", R"(["string","null","int"])",
                    Bytes().number(1).number(4)),
            Json::parse(R"({"string":null,"int":4})"));
  EXPECT_EQ(read_as(R"(["null","int"])", R"(["int","null"])", Bytes().number(0)), nullptr);
  // The very same type comes before the first that would do.
  EXPECT_EQ(read_as(R"(["double","int"])", R"(["double","int"])", Bytes().number(1).number(4)),
            Json::parse(R"({"double":null,"int":4})"));
}

TEST(AvroResolveTest, BranchesByName) {
  const std::string a = R"({"type":"record","name":"A","fields":[{"name":"x","type":"int"}]})";
  const std::string b = R"({"type":"record","name":"B","fields":[{"name":"y","type":"int"}]})";
  EXPECT_EQ(read_as("[" + a + "," + b + "]", "[" + b + "," + a + "]", Bytes().number(1).number(9)),
            Json::parse(R"({"A":null,"B":{"y":9}})"));
  EXPECT_EQ(read_as("[" + a + "," + b + "]", a, Bytes().number(0).number(9)), Json({{"x", 9}}));
}

TEST(AvroResolveTest, LogicalTypesOfDifferentUnits) {
  const char* const millis = R"({"type":"long","logicalType":"timestamp-millis"})";
  const char* const micros = R"({"type":"long","logicalType":"timestamp-micros"})";
  EXPECT_EQ(read_as(millis, micros, Bytes().number(5)), 5000);
  EXPECT_EQ(read_as(micros, millis, Bytes().number(5)), 5);
  EXPECT_EQ(read_as(R"("long")", millis, Bytes().number(5)), 5000);
  EXPECT_EQ(read_as(millis, R"("long")", Bytes().number(5)), 5);
  EXPECT_EQ(
      read_as(R"("bytes")", R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":1})",
              Bytes().text("\x0F")),
      "1.5");
  EXPECT_NE(refusal(R"({"type":"int","logicalType":"date"})",
                    R"({"type":"int","logicalType":"time-millis"})"),
            "");
}

TEST(AvroResolveTest, DeclaredColumnsWithoutLoss) {
  EXPECT_EQ(declared_as(R"("int")", "BIGINT", Bytes().number(4)), 4);
  EXPECT_EQ(declared_as(R"("long")", "HUGEINT", Bytes().number(-4)), "-4");
  EXPECT_EQ(declared_as(R"("int")", "DOUBLE", Bytes().number(4)), 4.0);
  EXPECT_EQ(declared_as(R"("int")", "DECIMAL(12,2)", Bytes().number(-4)), "-4.00");
  EXPECT_EQ(declared_as(R"("string")", "BLOB", Bytes().text("a")), "61");
  EXPECT_EQ(declared_as(R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":1})",
                        "DECIMAL(20,3)", Bytes().text("\x0F")),
            "1.500");
  const char* const nanos = R"({"type":"long","logicalType":"timestamp-nanos"})";
  EXPECT_EQ(declared_as(nanos, "TIMESTAMP_NS", Bytes().number(1234)), 1234);
  EXPECT_EQ(declared_as(nanos, "TIMESTAMP", Bytes().number(1234)), 1);
  EXPECT_EQ(declared_as(nanos, "BIGINT", Bytes().number(1234)), 1234);
  EXPECT_EQ(declared_as(R"({"type":"string","logicalType":"uuid"})", "VARCHAR", Bytes().text("x")),
            "x");
}

TEST(AvroResolveTest, DeclaredColumnsThatWouldLose) {
  EXPECT_EQ(declared_refusal(R"("long")", "INTEGER"),
            "avro: column f: avro type long can't be read as INTEGER without loss; declare BIGINT, "
            "and convert it in SQL");
  for (const auto& [writer, type] :
       {std::pair(R"("long")", "DOUBLE"), std::pair(R"("int")", "FLOAT"),
        std::pair(R"("long")", "TIMESTAMP"), std::pair(R"("double")", "FLOAT"),
        std::pair(R"("long")", "DECIMAL(18,0)"), std::pair(R"("string")", "UUID"),
        std::pair(R"("int")", "UBIGINT"), std::pair(R"("int")", "ENUM('a')"),
        std::pair(R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":1})", "VARCHAR"),
        std::pair(R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":1})",
                  "DECIMAL(4,2)"),
        std::pair(R"({"type":"map","values":"int"})", "MAP(INTEGER, INTEGER)"),
        std::pair(R"({"type":"array","items":"int"})", "INTEGER")}) {
    EXPECT_NE(declared_refusal(writer, type), "") << writer << " " << type;
  }
}

TEST(AvroResolveTest, DeclaredColumnsByName) {
  const auto writer = shared(R"({"type":"record","name":"R","fields":[
    {"name":"Id","type":"int"},{"name":"id","type":"int"},
    {"name":"who","type":{"type":"record","name":"P","fields":[
      {"name":"age","type":"int"},{"name":"Name","type":"string"}]}}]})");
  const std::string record = Bytes().number(1).number(2).number(30).text("Ada");
  EXPECT_EQ(
      row_of(resolve(writer, columns({{"id", "INTEGER"}, {"WHO", "STRUCT(\"name\" VARCHAR)"}})),
             record),
      Json::parse(R"({"id":2,"WHO":{"name":"Ada"}})"));
  const auto typo = columns({{"idd", "INTEGER"}, {"id", "INTEGER"}});
  EXPECT_EQ(error_of([&] { (void)resolve(writer, typo); }),
            "avro: column idd: the data has no such field; did you mean `Id`?");
  EXPECT_EQ(row_of(resolve(writer, typo, Missing::null), record),
            Json::parse(R"({"id":2,"idd":null})"));
}

TEST(AvroResolveTest, DeclaredColumnsOfUnions) {
  const char* const type = R"(["null","int","string"])";
  EXPECT_EQ(
      declared_as(type, R"(STRUCT("string" VARCHAR, "int" BIGINT))", Bytes().number(1).number(4)),
      Json::parse(R"({"string":null,"int":4})"));
  EXPECT_EQ(declared_as(type, "BIGINT", Bytes().number(1).number(4)), 4);
  EXPECT_EQ(declared_as(type, "BIGINT", Bytes().number(0)), nullptr);
  EXPECT_NE(declared_as(type, "BIGINT", Bytes().number(2).text("x"))
                .get<std::string>()
                .find("avro type string can't be read as BIGINT"),
            std::string::npos);
  EXPECT_NE(declared_refusal(type, "DATE"), "");
}

// Several types of events in one topic: the columns that are declared, out of either.
TEST(AvroResolveTest, ARowOutOfAUnion) {
  const auto writer = shared(R"(["null",
    {"type":"record","name":"A","fields":[{"name":"id","type":"int"},{"name":"x","type":"string"}]},
    {"type":"record","name":"B","fields":[{"name":"id","type":"long"}]}])");
  const Plan plan = resolve(writer, columns({{"id", "BIGINT"}}));
  EXPECT_EQ(row_of(plan, Bytes().number(1).number(7).text("x")), Json({{"id", 7}}));
  EXPECT_EQ(row_of(plan, Bytes().number(2).number(8)), Json({{"id", 8}}));
  EXPECT_EQ(row_of(plan, Bytes().number(0)), ": null is no row, at byte 1");
}

/// A record of one field, `x`; `type` is JSON.
std::string record_of_x(const std::string& name, const std::string& type) {
  return R"({"type":"record","name":")" + name + R"(","fields":[{"name":"x","type":)" + type +
         "}]}";
}

// Each level reaches the one below in two ways, so that there are 2^20 ways to the last.
TEST(AvroResolveTest, ASmallSchemaOfVeryManyWays) {
  std::string fields = R"({"name":"f0","type":{"type":"record","name":"T0","fields":[
    {"name":"x","type":"int"}]}})";
  std::string column = "STRUCT(\"x\" BIGINT)";
  for (int i = 1; i <= 20; i++) {
    const std::string level = std::to_string(i);
    const std::string below = "\"T" + std::to_string(i - 1) + "\"";
    fields += R"(,{"name":"f)" + level + R"(","type":)" +
              record_of_x("T" + level, "[" + record_of_x("A" + level, below) + "," +
                                           record_of_x("B" + level, below) + "]") +
              "}";
    column.insert(0, R"(STRUCT("x" STRUCT("x" )");
    column += "))";
  }
  const auto writer = shared(R"({"type":"record","name":"R","fields":[)" + fields + "]}");
  const std::string error =
      error_of([&] { (void)resolve(writer, columns({{"f20", column.c_str()}})); });
  EXPECT_NE(error.find("get too large"), std::string::npos) << error;
}

}  // namespace
}  // namespace millrace::avro
