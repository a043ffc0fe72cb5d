#include "formats/avro/schema.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

std::string refusal(std::string_view json) {
  return error_of([&] { (void)parse_schema(json); });
}

TEST(AvroSchemaTest, PrimitivesAsNamesObjectsAndInOneAnother) {
  EXPECT_EQ(parse_schema(R"("long")").root().kind, Kind::long_);
  EXPECT_EQ(parse_schema(R"({"type":"string"})").root().kind, Kind::string);
  EXPECT_EQ(parse_schema(R"({"type":{"type":"int"}})").root().kind, Kind::int_);
  EXPECT_EQ(parse_schema("double").root().kind, Kind::double_);  // no JSON, but seen in registries
}

TEST(AvroSchemaTest, NamesByTheSpecificationsExample) {
  const AvroSchema schema = parse_schema(R"({"type":"record","name":"Example","fields":[
    {"name":"inheritNull","type":{"type":"enum","name":"Simple","symbols":["a","b"]}},
    {"name":"explicitNamespace","type":
      {"type":"fixed","name":"Simple","namespace":"explicit","size":12}},
    {"name":"fullName","type":{"type":"record","name":"a.full.Name","namespace":"ignored","fields":[
      {"name":"inheritNamespace","type":
        {"type":"enum","name":"Understanding","symbols":["d","e"]}}]}},
    {"name":"again","type":"a.full.Understanding"}]})");
  const auto& fields = schema.root().fields;
  EXPECT_EQ(fields[0].type->name, "Simple");
  EXPECT_EQ(fields[1].type->name, "explicit.Simple");
  EXPECT_EQ(fields[2].type->name, "a.full.Name");
  EXPECT_EQ(fields[2].type->fields[0].type->name, "a.full.Understanding");
  EXPECT_EQ(fields[3].type, fields[2].type->fields[0].type);
}

TEST(AvroSchemaTest, AliasesAreInTheNamespaceOfTheirType) {
  const AvroSchema schema =
      parse_schema(R"({"type":"fixed","name":"a.b","aliases":["c","x.y"],"size":1})");
  EXPECT_EQ(schema.root().aliases, (std::vector<std::string>{"a.c", "x.y"}));
}

TEST(AvroSchemaTest, NamesAndAliasesOfOddNamespacesAreWrittenAsTheyAre) {
  for (const std::string_view json : {
           R"({"type":"fixed","name":"...R","size":1})",
           R"({"type":"fixed","name":"R","namespace":".a","size":1})",
           R"({"type":"fixed","name":"a.R","aliases":[".b","..c","d"],"size":1})",
       }) {
    const auto schema = parse_schema(json, Names::any);
    const auto again = parse_schema(to_json(schema).dump(), Names::any);
    EXPECT_EQ(again.root().name, schema.root().name) << json;
    EXPECT_EQ(again.root().aliases, schema.root().aliases) << json;
    EXPECT_FALSE(schema.root().name.starts_with('.')) << json;
  }
  EXPECT_THROW((void)parse_schema(R"({"type":"fixed","name":"..","size":1})", Names::any), Error);
}

TEST(AvroSchemaTest, ARecordMayContainItself) {
  const AvroSchema schema = parse_schema(R"({"type":"record","name":"List","fields":[
    {"name":"value","type":"long"},{"name":"next","type":["null","List"]}]})");
  EXPECT_EQ(schema.root().fields[1].type->parts[1], &schema.root());
}

TEST(AvroSchemaTest, LogicalTypesThatFit) {
  const auto logical = [](std::string_view json) { return parse_schema(json).root().logical; };
  EXPECT_EQ(logical(R"({"type":"int","logicalType":"date"})"), Logical::date);
  EXPECT_EQ(logical(R"({"type":"long","logicalType":"timestamp-nanos"})"),
            Logical::timestamp_nanos);
  EXPECT_EQ(logical(R"({"type":"string","logicalType":"uuid"})"), Logical::uuid);
  EXPECT_EQ(logical(R"({"type":"fixed","name":"F","size":16,"logicalType":"uuid"})"),
            Logical::uuid);
  EXPECT_EQ(logical(R"({"type":"fixed","name":"F","size":12,"logicalType":"duration"})"),
            Logical::duration);
  const AvroSchema decimal =
      parse_schema(R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})");
  EXPECT_EQ(describe(decimal.root()), "bytes (decimal 9,2)");
}

TEST(AvroSchemaTest, TypesThatDebeziumNamesAreLogical) {
  const auto logical = [](const std::string& type, const std::string& attributes) {
    return parse_schema(R"({"type":")" + type + R"(",)" + attributes + "}").root().logical;
  };
  EXPECT_EQ(logical("int", R"("connect.name":"io.debezium.time.Date")"), Logical::date);
  EXPECT_EQ(logical("long", R"("connect.name":"io.debezium.time.MicroTimestamp")"),
            Logical::local_timestamp_micros);
  EXPECT_EQ(logical("long", R"("connect.name":"io.debezium.time.Date")"), Logical::none);
  EXPECT_EQ(logical("int", R"("connect.name":"io.debezium.time.Year")"), Logical::none);
  EXPECT_EQ(logical("int", R"("connect.name":7)"), Logical::none);
  EXPECT_EQ(logical("long", R"("logicalType":"timestamp-millis",)"
                            R"("connect.name":"io.debezium.time.Timestamp")"),
            Logical::timestamp_millis);
}

TEST(AvroSchemaTest, LogicalTypesThatDoNotFitAreIgnored) {
  for (const char* json :
       {R"({"type":"string","logicalType":"date"})",
        R"({"type":"int","logicalType":"time-micros"})",
        R"({"type":"int","logicalType":"new-in-2030"})", R"({"type":"int","logicalType":7})",
        R"({"type":"bytes","logicalType":"decimal"})",
        R"({"type":"bytes","logicalType":"decimal","precision":0})",
        R"({"type":"bytes","logicalType":"decimal","precision":2,"scale":3})",
        R"({"type":"bytes","logicalType":"decimal","precision":2,"scale":-1})",
        R"({"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":5})",
        R"({"type":"fixed","name":"F","size":11,"logicalType":"duration"})"}) {
    EXPECT_EQ(parse_schema(json).root().logical, Logical::none) << json;
  }
}

TEST(AvroSchemaTest, MistakesAreNamedWithTheirPlace) {
  EXPECT_EQ(refusal(R"({"type":"record","name":"R","fields":[{"name":"a","type":"strng"}]})"),
            "avro schema: at .fields[0] (`a`): no type `strng` is defined before this place; did "
            "you mean `string`?");
  EXPECT_EQ(refusal(R"(["int",["null"]])"),
            "avro schema: at [1]: a union directly within a union; write its branches into the "
            "outer one");
  EXPECT_EQ(refusal(R"(["int","int"])"),
            "avro schema: at [1]: a union with two branches of type `int`");
  EXPECT_EQ(refusal(R"({"type":"enum","name":"E","symbols":["A","A"]})"),
            "avro schema: the symbol \"A\" comes twice");
  EXPECT_EQ(refusal(R"({"type":"enum","name":"E","symbols":["A"],"default":"B"})"),
            "avro schema: the default \"B\" is none of the enum's symbols");
}

TEST(AvroSchemaTest, WhatIsNoSchemaIsRefused) {
  for (
      const char* json :
      {"",
       "{",
       "7",
       "null",
       "[]",
       "{}",
       R"({"type":"record","name":"R"})",
       R"({"type":"record","fields":[]})",
       R"({"type":"record","name":"R","fields":{}})",
       R"({"type":"record","name":"R","fields":[7]})",
       R"({"type":"record","name":7,"fields":[]})",
       R"({"type":"record","name":"1R","fields":[]})",
       R"({"type":"record","name":"a..R","fields":[]})",
       R"({"type":"record","name":"int","fields":[]})",
       R"({"type":"record","name":"R","fields":[{"name":"a b","type":"int"}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]})",
       R"({"type":"record","name":"R","aliases":"x","fields":[]})",
       R"({"type":"fixed","name":"F"})",
       R"({"type":"fixed","name":"F","size":-1})",
       R"({"type":"fixed","name":"F","size":4294967296})",
       R"({"type":"array"})",
       R"({"type":"map"})",
       R"({"type":"enum","name":"E","symbols":[7]})",
       R"([{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":1}])"}) {
    EXPECT_NE(refusal(json), "") << json;
  }
}

TEST(AvroSchemaTest, InvalidNamesCanBeReadToBeCorrected) {
  const char* const json =
      R"({"type":"record","name":"my-type","fields":[{"name":"a b","type":"int"}]})";
  EXPECT_NE(refusal(json), "");
  EXPECT_EQ(parse_schema(json, Names::any).root().fields[0].name, "a b");
}

TEST(AvroSchemaTest, DepthIsLimited) {
  std::string deep = "\"int\"";
  for (int i = 0; i < 70; i++) {
    deep.insert(0, R"({"type":"array","items":)");
    deep += '}';
  }
  EXPECT_NE(refusal(deep), "");
  // Would overflow the stack of whoever copies or prints it.
  const std::string brackets(1'000'000, '[');
  EXPECT_NE(
      refusal(with_field("\"int\"", ",\"default\":" + brackets + std::string(1'000'000, ']'))), "");
}

// A registry's schema may be anything, and the reason goes beside each message that needs it.
TEST(AvroSchemaTest, RefusalsAreText) {
  EXPECT_EQ(refusal("no \xff\xfe"), "avro schema: no valid JSON: no ??");
  const std::string letters =
      "12345678901234567890123456789012345678901234567890123456789012345678";
  EXPECT_EQ(refusal(letters + "12345678901éé"),
            "avro schema: no valid JSON: " + letters + "12345678901...");
  EXPECT_EQ(find_invalid_utf8(refusal("[[\"" + letters + "1234567é\"]]")), std::nullopt);
}

// The place of each field would hold it: a few GB for a schema of 1 MB.
TEST(AvroSchemaTest, LongNamesAreNotRepeated) {
  std::string json = R"({"type":"record","name":"R","fields":[{"name":")" +
                     std::string(500'000, 'x') +
                     R"(","type":{"type":"record","name":"I","fields":[)";
  for (int i = 0; i < 18'000; i++) {
    json += R"({"name":"a)" + std::to_string(i) + R"(","type":"int"},)";
  }
  EXPECT_LT(refusal(json + R"({"name":"b","type":"lnog"}]}}]})").size(), 500U);
  EXPECT_EQ(refusal(json + R"({"name":"b","type":"long"}]}}]})"), "");
}

TEST(AvroSchemaTest, WrittenAndReadAgain) {
  const char* const json = R"({"type":"record","name":"a.R","doc":"gone","fields":[
    {"name":"f","type":["null",{"type":"enum","name":"E","symbols":["X"],"default":"X"}],
     "default":null,"aliases":["g"],"order":"ignore"},
    {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}},
    {"name":"e","type":{"type":"map","values":"a.E"}},
    {"name":"x","type":{"type":"fixed","name":"Top","namespace":"","size":3}}]})";
  const Json once = to_json(parse_schema(json));
  EXPECT_EQ(to_json(parse_schema(once.dump())), once);
  EXPECT_EQ(once["fields"][0]["default"], nullptr);
  EXPECT_EQ(once["fields"][2]["type"]["values"], "a.E");
}

TEST(AvroSchemaTest, CanonicalFormAndFingerprint) {
  // The values are those of Avro's own test data.
  EXPECT_EQ(canonical_form(parse_schema(R"({"type":"int"})")), R"("int")");
  EXPECT_EQ(fingerprint(R"("int")"), 0x7275d51a3f395c8fU);
  EXPECT_EQ(canonical_form(parse_schema(
                R"({"type":"fixed","namespace":"x.y","size":7,"name":"F","doc":"d"})")),
            R"({"name":"x.y.F","type":"fixed","size":7})");
}

}  // namespace
}  // namespace millrace::avro
