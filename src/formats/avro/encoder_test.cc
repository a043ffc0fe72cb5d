#include "formats/avro/encoder.h"

#include <gtest/gtest.h>

#include "formats/avro/testing.h"

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

std::string refusal(const char* column, std::string_view type) {
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
  EXPECT_EQ(refusal("BIGINT", R"("int")"), "avro: column f: BIGINT can't be written as int");
  EXPECT_EQ(refusal("INTEGER[]", R"({"type":"array","items":"int"})"),
            "avro: column f: nested columns can't be written as Avro yet; select their parts");
  for (const auto& [column, type] :
       {std::pair("VARCHAR", R"(["null","int"])"), std::pair("TIMESTAMP", R"("long")"),
        std::pair("DOUBLE", R"("float")"), std::pair("BLOB", R"("string")"),
        std::pair("DECIMAL(9,2)",
                  R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":1})")}) {
    EXPECT_NE(refusal(column, type), "") << column;
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

}  // namespace
}  // namespace millrace::avro
