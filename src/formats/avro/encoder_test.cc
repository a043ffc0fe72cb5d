#include "formats/avro/encoder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "formats/avro/testing.h"
#include "formats/testing/random_rows.h"

namespace millrace::avro {
namespace {

/// Reads a record as `from` and writes it by the schema `to`: its bytes, or "column: reason".
std::string rewritten(std::string_view from, std::string_view to, const std::string& record) {
  const auto writer = shared(with_field(from));
  const millrace::Schema schema = columns_of(*writer);
  testing::MemoryColumns memory(schema, 1);
  Decoder decoder(resolve(writer));
  decoder.begin(memory.writers());
  if (const auto malformed = decoder.decode(record, 0)) {
    return malformed->reason;
  }
  Encoder encoder(parse_schema(to), schema);
  std::string bytes = "before ";
  const auto malformed = encoder.encode({.rows = 1, .columns = memory.views()}, 0, bytes);
  if (malformed) {
    EXPECT_EQ(bytes, "before ");
    return malformed->column + ": " + malformed->reason;
  }
  return bytes.substr(7);
}

std::string refusal_to_encode(const char* column, std::string_view type) {
  return error_of(
      [&] { const Encoder encoder(parse_schema(with_field(type)), columns({{"f", column}})); });
}

TEST(AvroEncoderTest, UnionsWithNullOnEitherSide) {
  const char* const from = R"(["null","int"])";
  EXPECT_EQ(rewritten(from, with_field(R"(["null","int"])"), Bytes().number(1).number(5)),
            std::string(Bytes().number(1).number(5)));
  EXPECT_EQ(rewritten(from, with_field(R"(["int","null"])"), Bytes().number(1).number(5)),
            std::string(Bytes().number(0).number(5)));
  EXPECT_EQ(rewritten(from, with_field(R"(["int","null"])"), Bytes().number(0)),
            std::string(Bytes().number(1)));
  EXPECT_EQ(rewritten(from, with_field(R"("int")"), Bytes().number(0)),
            "f: NULL in a field that may not be null");
}

TEST(AvroEncoderTest, DecimalsInAsFewBytesAsPossible) {
  const auto type = [](int precision, int scale) {
    return R"({"type":"bytes","logicalType":"decimal","precision":)" + std::to_string(precision) +
           R"(,"scale":)" + std::to_string(scale) + "}";
  };
  for (const std::string& number :
       {std::string("\x7F"), std::string("\x00\x80", 2), std::string("\x80"),
        std::string("\xFF\x7F"), std::string(1, '\0')}) {
    const bool negative = (number[0] & 0x80) != 0;
    const std::string longer = std::string(3, negative ? '\xFF' : '\0') + number;
    EXPECT_EQ(rewritten(type(5, 2), with_field(type(5, 2)), Bytes().text(longer)),
              std::string(Bytes().text(number)));
  }
  EXPECT_EQ(rewritten(type(5, 2), with_field(type(9, 3)), Bytes().text("\x01")),
            std::string(Bytes().text("\x0A")));
  EXPECT_EQ(rewritten(type(5, 0), with_field(type(2, 0)), Bytes().text("\x64")),
            "f: a number of more than 2 digits");
  EXPECT_EQ(rewritten(type(5, 0),
                      with_field(R"({"type":"fixed","name":"F","size":4,"logicalType":"decimal",
                                     "precision":5})"),
                      Bytes().text("\xFE")),
            "\xFF\xFF\xFF\xFE");
}

TEST(AvroEncoderTest, Times) {
  const char* const micros = R"({"type":"long","logicalType":"timestamp-micros"})";
  const char* const millis = R"({"type":"long","logicalType":"timestamp-millis"})";
  EXPECT_EQ(rewritten(micros, with_field(millis), Bytes().number(-5000)),
            std::string(Bytes().number(-5)));
  EXPECT_EQ(rewritten(micros, with_field(millis), Bytes().number(5001)),
            "f: a time that is finer than the schema's unit");
  EXPECT_EQ(rewritten(micros, with_field(R"({"type":"long","logicalType":"timestamp-nanos"})"),
                      Bytes().number(INT64_MAX / 1000 + 1)),
            "f: a time that is out of range");
}

TEST(AvroEncoderTest, TextsBytesAndUuids) {
  EXPECT_EQ(
      rewritten(R"("string")", with_field(R"({"type":"enum","name":"E","symbols":["A","B"]})"),
                Bytes().text("B")),
      std::string(Bytes().number(1)));
  EXPECT_EQ(rewritten(R"("string")", with_field(R"({"type":"enum","name":"E","symbols":["A"]})"),
                      Bytes().text("B")),
            "f: `B` is none of the enum's symbols");
  EXPECT_EQ(rewritten(R"("bytes")", with_field(R"({"type":"fixed","name":"F","size":2})"),
                      Bytes().text("abc")),
            "f: 3 bytes where a fixed has 2");
  const char* const uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
  EXPECT_EQ(rewritten(R"({"type":"string","logicalType":"uuid"})",
                      with_field(R"({"type":"fixed","name":"F","size":16,"logicalType":"uuid"})"),
                      Bytes().text(uuid)),
            std::string("\xF8\x1D\x4F\xAE\x7D\xEC\x11\xD0\xA7\x65\x00\xA0\xC9\x1E\x6B\xF6", 16));
  EXPECT_EQ(rewritten(R"("string")", with_field(R"({"type":"string","logicalType":"uuid"})"),
                      Bytes().text("no")),
            "f: text that is no UUID");
}

TEST(AvroEncoderTest, FieldsWithoutAColumn) {
  EXPECT_EQ(rewritten(R"("int")", R"({"type":"record","name":"R","fields":[
              {"name":"x","type":["int","null"]},{"name":"F","type":"long"},
              {"name":"y","type":"string","default":"d"}]})",
                      Bytes().number(5)),
            std::string(Bytes().number(1).number(5).text("d")));
}

TEST(AvroEncoderTest, WhatCanNotBeWritten) {
  EXPECT_EQ(refusal_to_encode("BIGINT", R"("int")"),
            "avro: column f: BIGINT can't be written as int");
  for (const auto& [column, type] :
       {std::pair("VARCHAR", R"(["null","int"])"), std::pair("TIMESTAMP", R"("long")"),
        std::pair("DOUBLE", R"("float")"), std::pair("BLOB", R"("string")"),
        std::pair("DECIMAL(9,2)",
                  R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":1})")}) {
    EXPECT_NE(refusal_to_encode(column, type), "") << column;
  }
  EXPECT_NE(error_of([] {
              const Encoder encoder(parse_schema(with_field(R"("int")")),
                                    columns({{"f", "INTEGER"}, {"g", "INTEGER"}}));
            }),
            "");
  EXPECT_NE(
      error_of([] { const Encoder encoder(parse_schema(with_field(R"("int")")), columns({})); }),
      "");
}

constexpr const char* kOrders = R"({"type":"array","items":["null",{"type":"record","name":"O",
  "fields":[{"name":"id","type":"int"},
            {"name":"tags","type":["null",{"type":"map","values":["null","string"]}]}]}]})";

TEST(AvroEncoderTest, NestedValues) {
  const std::string full = Bytes()
                               .number(3)
                               .number(1)
                               .number(5)
                               .number(1)
                               .number(2)
                               .text("k")
                               .number(1)
                               .text("a text that is not inlined")
                               .text("")
                               .number(0)
                               .number(0)
                               .number(0)
                               .number(1)
                               .number(-6)
                               .number(1)
                               .number(0)
                               .number(0);
  EXPECT_EQ(rewritten(kOrders, with_field(kOrders), full), full);
  EXPECT_EQ(rewritten(kOrders, with_field(kOrders), Bytes().number(0)),
            std::string(Bytes().number(0)));
  const std::string without_tags = Bytes().number(1).number(1).number(5).number(0).number(0);
  EXPECT_EQ(rewritten(kOrders, with_field(kOrders), without_tags), without_tags);
  // In several blocks, and with their sizes: written as one.
  EXPECT_EQ(rewritten(kOrders, with_field(kOrders),
                      Bytes().number(1).number(0).number(-1).number(1).number(0).number(0)),
            std::string(Bytes().number(2).number(0).number(0).number(0)));
}

TEST(AvroEncoderTest, NestedFieldsAreFoundByName) {
  EXPECT_EQ(rewritten(R"({"type":"record","name":"S","fields":[{"name":"a","type":"int"},
                                                               {"name":"b","type":"int"}]})",
                      with_field(R"({"type":"record","name":"S","fields":[
                                     {"name":"B","type":"int"},{"name":"new","type":["null","int"]},
                                     {"name":"a","type":["int","null"]},
                                     {"name":"d","type":"string","default":"x"}]})"),
                      Bytes().number(1).number(2)),
            std::string(Bytes().number(2).number(0).number(0).number(1).text("x")));
  // As deep as the column goes; behind it there is nothing.
  const AvroSchema tree = parse_schema(with_field(R"({"type":"record","name":"N","fields":[
      {"name":"v","type":"int"},{"name":"next","type":["null","N"]}]})"));
  const auto schema = columns({{"f", "STRUCT(v INTEGER, next STRUCT(v INTEGER))"}});
  testing::MemoryColumns memory(schema, 1);
  const auto parts = memory.writers()[0]->parts();
  parts[0]->values<std::int32_t>()[0] = 1;
  parts[1]->parts()[0]->values<std::int32_t>()[0] = 2;
  std::string bytes;
  ASSERT_FALSE(Encoder(tree, schema).encode({.rows = 1, .columns = memory.views()}, 0, bytes));
  EXPECT_EQ(bytes, std::string(Bytes().number(1).number(1).number(2).number(0)));
}

TEST(AvroEncoderTest, UnionsOfSeveralTypes) {
  const char* const type = R"(["string","null",{"type":"record","name":"P","fields":[
      {"name":"x","type":"int"}]},{"type":"array","items":"int"}])";
  for (const std::string& record :
       {std::string(Bytes().number(0).text("a")), std::string(Bytes().number(1)),
        std::string(Bytes().number(2).number(7)),
        std::string(Bytes().number(3).number(1).number(7).number(0))}) {
    EXPECT_EQ(rewritten(type, with_field(type), record), record);
  }
  // A LIST is no STRUCT of branches: the first that fits.
  const std::string list = Bytes().number(1).number(7).number(0);
  EXPECT_EQ(rewritten(R"({"type":"array","items":"int"})", with_field(type), list),
            std::string(Bytes().number(3)) + list);
  const auto schema = columns({{"f", "STRUCT(int INTEGER, string VARCHAR)"}});
  testing::MemoryColumns memory(schema, 2);
  const auto parts = memory.writers()[0]->parts();
  for (ColumnWriter* part : parts) {
    part->set_null(1);
  }
  parts[1]->set_string(0, "");
  Encoder encoder(parse_schema(with_field(R"(["null","int","string"])")), schema);
  for (const std::size_t row : {0U, 1U}) {
    std::string bytes;
    const auto wrong = encoder.encode({.rows = 2, .columns = memory.views()}, row, bytes);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->column, "f");
    EXPECT_EQ(wrong->reason,
              row == 0 ? "a union's value is one of its branches, and several are not NULL"
                       : "a union's value is one of its branches, and all are NULL");
  }
}

TEST(AvroEncoderTest, AFaultSaysWhereItIs) {
  const std::string from =
      R"({"type":"array","items":{"type":"record","name":"O","fields":[
          {"name":"m","type":{"type":"map","values":["null","int"]}}]}})";
  const std::string to =
      R"({"type":"array","items":{"type":"record","name":"O","fields":[
          {"name":"m","type":{"type":"map","values":"int"}}]}})";
  EXPECT_EQ(
      rewritten(from, with_field(to),
                Bytes().number(2).number(0).number(1).text("k").number(0).number(0).number(0)),
      "f[1].m{0}: NULL in a field that may not be null");
}

TEST(AvroEncoderTest, NestedColumnsThatDoNotFit) {
  EXPECT_EQ(refusal_to_encode("INTEGER[]", R"("int")"),
            "avro: column f: INTEGER[] can't be written as int");
  EXPECT_EQ(refusal_to_encode("STRUCT(id INTEGER, tags MAP(VARCHAR, DOUBLE))[]", kOrders),
            "avro: column f[].tags{}: DOUBLE can't be written as union of null, string");
  EXPECT_EQ(refusal_to_encode("STRUCT(id INTEGER, price DOUBLE)[]", kOrders),
            "avro: column f[].price: the schema has no such field; leave the column out, or add "
            "the field");
  EXPECT_EQ(refusal_to_encode("STRUCT(tags MAP(VARCHAR, VARCHAR))[]", kOrders),
            "avro: column f[].id: the schema has this field, which is neither a column nor may be "
            "null; select it, or give the field a default");
  EXPECT_EQ(refusal_to_encode("MAP(INTEGER, INTEGER)", R"({"type":"map","values":"int"})"),
            "avro: column f: keys of Avro's maps are texts, not INTEGER; cast them to VARCHAR");
  EXPECT_EQ(refusal_to_encode("STRUCT(int INTEGER, string INTEGER[])", R"(["int","string"])"),
            "avro: column f.string: INTEGER[] can't be written as string");
  EXPECT_NE(refusal_to_encode("INTEGER[3]", R"({"type":"array","items":"int"})"), "");
}

// Each level is one of two records, and both have to be looked at: 2^28 ways to fail.
TEST(AvroEncoderTest, ASmallSchemaWithVeryManyWays) {
  std::string column = "INTEGER";
  for (int i = 0; i < 28; i++) {
    column = fmt::format("STRUCT(x {})", column);
  }
  EXPECT_NE(refusal_to_encode(column.c_str(), R"([{"type":"record","name":"A","fields":[
                {"name":"x","type":["string","A",{"type":"record","name":"B","fields":[
                    {"name":"x","type":["string","A","B"]}]}]}]}])")
                .find("more than 100000 types"),
            std::string::npos);
}

// SQL's row(1, 'a') has the type STRUCT(INTEGER, VARCHAR), which reads like something else.
TEST(AvroEncoderTest, AViewThatIsNotAsItsType) {
  const auto schema = columns({{"f", "STRUCT(a INTEGER)"}});
  const std::vector<ColumnView> views(1);
  Encoder encoder(record_schema(schema, "R"), schema);
  std::string bytes;
  EXPECT_THROW((void)encoder.encode({.rows = 1, .columns = views}, 0, bytes), Error);
}

TEST(AvroEncoderTest, RandomRowsAreReadBack) {
  const std::vector<std::string> leaves{"BOOLEAN",
                                        "INTEGER",
                                        "BIGINT",
                                        "FLOAT",
                                        "DOUBLE",
                                        "VARCHAR",
                                        "BLOB",
                                        "DATE",
                                        "TIME",
                                        "TIMESTAMP",
                                        "TIMESTAMP_MS",
                                        "TIMESTAMP_NS",
                                        "UUID",
                                        "INTERVAL",
                                        "DECIMAL(4,1)",
                                        "DECIMAL(9,9)",
                                        "DECIMAL(18,3)",
                                        "DECIMAL(38,5)",
                                        "TIMESTAMP WITH TIME ZONE"};
  constexpr std::size_t kRows = 40;
  for (unsigned seed = 0; seed < 200; seed++) {
    std::mt19937 random(seed);
    const millrace::Schema schema = testing::random_schema(leaves, 4, random);
    testing::MemoryColumns written(schema, kRows);
    testing::MemoryColumns read(schema, kRows);
    for (std::size_t row = 0; row < kRows; row++) {
      for (std::size_t c = 0; c < schema.size(); c++) {
        testing::fill(*written.writers()[c], parse_type(schema.columns[c].type), row, random);
      }
    }
    const auto avro = std::make_shared<const AvroSchema>(record_schema(schema, "shop.Row"));
    Encoder encoder(*avro, schema);
    Decoder decoder(resolve(avro, schema));
    decoder.begin(read.writers());
    const Chunk chunk{.rows = kRows, .columns = written.views()};
    for (std::size_t row = 0; row < kRows; row++) {
      std::string bytes;
      const auto unwritten = encoder.encode(chunk, row, bytes);
      ASSERT_FALSE(unwritten) << unwritten->column << ": " << unwritten->reason;
      const auto wrong = decoder.decode(bytes, row);
      ASSERT_FALSE(wrong) << wrong->column << ": " << wrong->reason << "\n" << schema.text();
      ASSERT_EQ(read.row(row), written.row(row)) << schema.text();
    }
  }
}

}  // namespace
}  // namespace millrace::avro
