#include "formats/avro/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "formats/avro/framed_decoder.h"
#include "formats/avro/framing.h"
#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

constexpr const char* kInts = R"({"type":"array","items":"int"})";

TEST(AvroDecoderTest, NumbersAndTexts) {
  EXPECT_EQ(value_of(R"("boolean")", Bytes().raw("\x01")), true);
  EXPECT_EQ(value_of(R"("int")", Bytes().number(-2147483648)), -2147483648);
  EXPECT_EQ(value_of(R"("long")", Bytes().number(INT64_MIN)), INT64_MIN);
  EXPECT_EQ(value_of(R"("float")", Bytes().little(1.5F)), 1.5);
  EXPECT_EQ(value_of(R"("double")", Bytes().little(-0.1)), -0.1);
  EXPECT_EQ(value_of(R"("string")", Bytes().text("grüße, and some more of it")),
            "grüße, and some more of it");
  EXPECT_EQ(value_of(R"("bytes")", Bytes().text("\xFF\x01")), "ff01");
  EXPECT_EQ(value_of(R"("null")", ""), nullptr);
  EXPECT_EQ(value_of(R"({"type":"fixed","name":"F","size":2})", "ab"), "6162");
  EXPECT_EQ(value_of(R"({"type":"enum","name":"E","symbols":["A","B"]})", Bytes().number(1)), "B");
}

TEST(AvroDecoderTest, LogicalTypes) {
  const auto of_long = [](const char* logical, std::int64_t value) {
    return value_of(std::string(R"({"type":"long","logicalType":")") + logical + "\"}",
                    Bytes().number(value));
  };
  EXPECT_EQ(of_long("timestamp-millis", -1), -1000);
  EXPECT_EQ(of_long("timestamp-micros", 7), 7);
  EXPECT_EQ(of_long("timestamp-nanos", 1999), 1);       // rounded down,
  EXPECT_EQ(of_long("local-timestamp-nanos", -1), -1);  // before 1970, too
  EXPECT_EQ(of_long("time-micros", 86'399'999'999), 86'399'999'999);
  EXPECT_EQ(value_of(R"({"type":"int","logicalType":"time-millis"})", Bytes().number(5)), 5000);
  EXPECT_EQ(value_of(R"({"type":"int","logicalType":"date"})", Bytes().number(-1)), -1);
  EXPECT_EQ(value_of(R"({"type":"string","logicalType":"uuid"})",
                     Bytes().text("F81D4FAE-7dec-11d0-a765-00a0c91e6bf6")),
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(value_of(R"({"type":"fixed","name":"F","size":12,"logicalType":"duration"})",
                     Bytes().little(1).little(2).little(3)),
            Json({1, 2, 3000}));
}

TEST(AvroDecoderTest, Decimals) {
  const char* const type = R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":2})";
  EXPECT_EQ(value_of(type, Bytes().text("\x7B")), "1.23");
  EXPECT_EQ(value_of(type, Bytes().text("\xFF")), "-0.01");
  EXPECT_EQ(value_of(type, Bytes().text(std::string(30, '\0') + "\x7B")), "1.23");
  EXPECT_EQ(value_of(type, Bytes().text(std::string(30, '\xFF'))), "-0.01");
  EXPECT_EQ(value_of(type, Bytes().text("\x01\x86\x9F")), "999.99");
  EXPECT_EQ(value_of(type, Bytes().text("\x01\x86\xA0")),
            "f: a decimal of too many digits, at byte 0");
  EXPECT_EQ(value_of(type, Bytes().text("")), "f: a decimal without bytes, at byte 0");
  EXPECT_EQ(value_of(type, Bytes().text("\x01" + std::string(16, '\0'))),
            "f: a decimal of too many digits, at byte 0");
}

TEST(AvroDecoderTest, ArraysInBlocksOfBothKinds) {
  EXPECT_EQ(value_of(kInts, Bytes().number(0)), Json::array());
  EXPECT_EQ(
      value_of(kInts,
               Bytes().number(2).number(7).number(8).number(-1).number(1).number(9).number(0)),
      Json({7, 8, 9}));
  EXPECT_EQ(value_of(R"({"type":"array","items":{"type":"array","items":"int"}})",
                     Bytes().number(2).number(1).number(5).number(0).number(0).number(0)),
            Json::parse("[[5],[]]"));
}

TEST(AvroDecoderTest, MapsAndStructs) {
  EXPECT_EQ(value_of(R"({"type":"map","values":["null","int"]})",
                     Bytes().number(2).text("a").number(1).number(4).text("b").number(0).number(0)),
            Json::parse(R"({"a":4,"b":null})"));
  EXPECT_EQ(
      value_of(R"(["null",{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}])",
               Bytes().number(1).number(3)),
      Json::parse(R"({"x":3})"));
  EXPECT_EQ(
      value_of(R"(["null",{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}])",
               Bytes().number(0)),
      nullptr);
}

TEST(AvroDecoderTest, UnionsOfSeveral) {
  const char* const type = R"(["int","null","string"])";
  EXPECT_EQ(value_of(type, Bytes().number(0).number(3)), Json::parse(R"({"int":3,"string":null})"));
  EXPECT_EQ(value_of(type, Bytes().number(2).text("x")),
            Json::parse(R"({"int":null,"string":"x"})"));
  EXPECT_EQ(value_of(type, Bytes().number(1)), nullptr);
  EXPECT_EQ(value_of(type, Bytes().number(3)), "f: branch 3 of a union of 3, at byte 0");
}

TEST(AvroDecoderTest, BytesThatEndTooEarlyOrTooLate) {
  EXPECT_EQ(value_of(R"("int")", ""), "f: the bytes end within a number, at byte 0");
  EXPECT_EQ(value_of(R"("int")", "\x80"), "f: the bytes end within a number, at byte 0");
  EXPECT_EQ(value_of(R"("double")", "1234567"), "f: the bytes end within a number, at byte 0");
  EXPECT_EQ(value_of(R"("string")", Bytes().number(5).raw("four")),
            "f: a length of 5 where 4 bytes left, at byte 0");
  EXPECT_EQ(value_of(R"({"type":"fixed","name":"F","size":3})", "ab"),
            "f: 3 bytes needed and 2 left, at byte 0");
  EXPECT_EQ(value_of(R"("int")", Bytes().number(1).raw("xy")),
            ": 2 bytes left behind the record, which ends at byte 1");
}

TEST(AvroDecoderTest, NumbersThatAreTooLong) {
  EXPECT_EQ(value_of(R"("int")", Bytes().number(2147483648)),
            "f: a number that is too large, at byte 0");
  EXPECT_EQ(value_of(R"("int")", "\x80\x80\x80\x80\x80" + std::string(1, '\0')),
            "f: a number that is too large, at byte 0");
  EXPECT_EQ(value_of(R"("long")", std::string(10, '\xFF') + "\x01"),
            "f: a number that is too large, at byte 0");
  EXPECT_EQ(value_of(R"("long")", std::string(9, '\xFF') + "\x02"),
            "f: a number that is too large, at byte 0");
}

TEST(AvroDecoderTest, ValuesOutsideOfTheirTypes) {
  EXPECT_EQ(value_of(R"("boolean")", "\x02"), "f: 2 is no boolean, at byte 0");
  EXPECT_EQ(value_of(R"("string")", Bytes().number(-1)),
            "f: a length of -1 where 0 bytes left, at byte 0");
  EXPECT_EQ(value_of(R"("string")", Bytes().text("ab\xC0\xAF")),
            "f: text that is no UTF-8, at byte 3");
  EXPECT_EQ(value_of(R"("string")", Bytes().text("twelve bytes\xED\xA0\x80")),
            "f: text that is no UTF-8, at byte 13");
  EXPECT_EQ(value_of(R"({"type":"enum","name":"E","symbols":["A"]})", Bytes().number(1)),
            "f: symbol 1 of an enum of 1, at byte 0");
  EXPECT_EQ(
      value_of(R"({"type":"long","logicalType":"timestamp-millis"})", Bytes().number(INT64_MAX)),
      "f: timestamp 9223372036854775807 is out of range, at byte 0");
  EXPECT_EQ(
      value_of(R"({"type":"long","logicalType":"timestamp-micros"})", Bytes().number(INT64_MAX)),
      "f: timestamp 9223372036854775807 is out of range, at byte 0");
  EXPECT_EQ(value_of(R"({"type":"int","logicalType":"date"})", Bytes().number(INT32_MAX)),
            "f: day 2147483647 is out of range, at byte 0");
  EXPECT_EQ(value_of(R"({"type":"int","logicalType":"time-millis"})", Bytes().number(-1)),
            "f: -1 is no time of day, at byte 0");
  EXPECT_EQ(
      value_of(R"({"type":"string","logicalType":"uuid"})", Bytes().text(std::string(36, 'a'))),
      "f: text that is no UUID, at byte 0");
  EXPECT_EQ(value_of(R"({"type":"fixed","name":"F","size":12,"logicalType":"duration"})",
                     std::string(12, '\xFF')),
            "f: a duration that is out of range, at byte 0");
}

TEST(AvroDecoderTest, BlocksThatAreNone) {
  EXPECT_EQ(value_of(kInts, Bytes().number(INT64_MIN)), "f: a number that is too large, at byte 0");
  EXPECT_EQ(value_of(kInts, Bytes().number(-1).number(-1)),
            "f: a block of -1 bytes where 0 are left, at byte 1");
  EXPECT_EQ(value_of(kInts, Bytes().number(-1).number(2).number(1).number(0)),
            "f: a block whose elements have another size than it says, at byte 3");
  EXPECT_EQ(value_of(kInts, Bytes().number(500'000).number(1)),
            "f[]: the bytes end within a number, at byte 4");
  EXPECT_EQ(value_of(R"({"type":"map","values":"int"})",
                     Bytes().number(2).text("a").number(1).text("a").number(2).number(0)),
            "f: key `a` comes twice, at byte 8");
}

TEST(AvroDecoderTest, ManyKeysAreComparedToo) {
  Bytes map;
  map.number(20);
  for (int i = 0; i < 20; i++) {
    map.text("key" + std::to_string(i % 19)).number(i);
  }
  EXPECT_EQ(
      value_of(R"({"type":"map","values":"int"})", map.number(0)).get<std::string>().substr(0, 23),
      "f: key `key0` comes twi");
}

// A few bytes that ask for elements without end.
TEST(AvroDecoderTest, ElementsWithoutBytesAreLimited) {
  const char* const nulls = R"({"type":"array","items":"null"})";
  EXPECT_EQ(value_of(nulls, Bytes().number(2).number(0)), Json({nullptr, nullptr}));
  EXPECT_EQ(value_of(nulls, Bytes().number(INT64_MAX).number(0)),
            "f: more than 1000000 elements in a record, at byte 10");
  // Jumped over, they are no work at all.
  const auto writer = shared(R"({"type":"record","name":"R","fields":[
    {"name":"f","type":{"type":"array","items":"null"}},{"name":"g","type":"int"}]})");
  EXPECT_EQ(row_of(resolve(writer, columns({{"g", "INTEGER"}})),
                   Bytes().number(INT64_MAX).number(0).number(4)),
            Json({{"g", 4}}));
}

TEST(AvroDecoderTest, JumpsOverWhatNobodyReads) {
  const auto writer = shared(R"({"type":"record","name":"R","fields":[
    {"name":"a","type":["null","string","double"]},
    {"name":"b","type":{"type":"array","items":{"type":"map","values":"bytes"}}},
    {"name":"c","type":{"type":"record","name":"L","fields":[
      {"name":"next","type":["null","L"]},{"name":"x","type":"float"}]}},
    {"name":"d","type":["null","int"]},{"name":"e","type":"int"}]})");
  const std::string record = Bytes()
                                 .number(2)
                                 .little(1.0)
                                 .number(1)
                                 .number(1)
                                 .text("k")
                                 .text("v")
                                 .number(0)
                                 .number(-1)
                                 .number(1)
                                 .number(0)
                                 .number(0)
                                 .number(1)
                                 .number(0)
                                 .little(1.0F)
                                 .little(2.0F)
                                 .number(0)
                                 .number(42);
  EXPECT_EQ(row_of(resolve(writer, columns({{"e", "INTEGER"}})), record), Json({{"e", 42}}));
  for (std::size_t size = 0; size < record.size(); size++) {
    EXPECT_TRUE(
        row_of(resolve(writer, columns({{"e", "INTEGER"}})), record.substr(0, size)).is_string());
  }
}

// Jumps over bytes grow together, but not from the end of the row into the record behind it.
TEST(AvroDecoderTest, JumpsOverARecordAndThenOverTheLastField) {
  const auto writer = shared(R"({"type":"record","name":"R","fields":[
    {"name":"a","type":{"type":"record","name":"N","fields":[
      {"name":"x","type":"float"},{"name":"y","type":"int"}]}},
    {"name":"b","type":"int"},{"name":"c","type":"double"},{"name":"d","type":"double"}]})");
  EXPECT_EQ(row_of(resolve(writer, columns({{"b", "INTEGER"}})),
                   Bytes().little(1.0F).number(2).number(3).little(4.0).little(5.0)),
            Json({{"b", 3}}));
}

TEST(AvroDecoderTest, DepthOfWhatIsJumpedOverIsLimited) {
  const auto writer = shared(R"({"type":"record","name":"L","fields":[
    {"name":"x","type":"int"},{"name":"next","type":["null","L"]}]})");
  Bytes deep;
  for (int i = 0; i < 10'000; i++) {
    deep.number(i).number(1);
  }
  const Json row = row_of(resolve(writer, columns({{"x", "INTEGER"}})), deep);
  EXPECT_NE(row.dump().find("nested more than 500 deep"), std::string::npos) << row;
}

// Columns that nobody reads may change from chunk to chunk.
TEST(AvroDecoderTest, UnreadColumns) {
  const auto writer = shared(R"({"type":"record","name":"R","fields":[
    {"name":"a","type":"string"},{"name":"b","type":{"type":"array","items":"int"}},
    {"name":"c","type":"int"}]})");
  const std::string record = Bytes().text("x").number(1).number(5).number(0).number(7);
  const millrace::Schema schema = columns_of(*writer);
  Decoder decoder(resolve(writer));
  for (unsigned mask = 0; mask < 8; mask++) {
    testing::MemoryColumns memory(schema, 1);
    std::vector<ColumnWriter*> to(memory.writers().begin(), memory.writers().end());
    for (std::size_t i = 0; i < to.size(); i++) {
      to[i] = (mask >> i & 1U) != 0 ? to[i] : nullptr;
    }
    decoder.begin(to);
    ASSERT_FALSE(decoder.decode(record, 0).has_value());
    const Json row = memory.row(0);
    EXPECT_EQ(row["a"], (mask & 1U) != 0 ? "x" : "");
    EXPECT_EQ(row["b"], (mask & 2U) != 0 ? Json({5}) : Json::array());
    EXPECT_EQ(row["c"], (mask & 4U) != 0 ? 7 : 0);
  }
}

// What a malformed record wrote is gone when it is forgotten.
TEST(AvroDecoderTest, RowsAfterAMalformedOne) {
  const auto writer = shared(with_field(kInts));
  const millrace::Schema schema = columns_of(*writer);
  testing::MemoryColumns memory(schema, 2);
  Decoder decoder(resolve(writer));
  decoder.begin(memory.writers());
  memory.mark();
  ASSERT_TRUE(decoder.decode(std::string(Bytes().number(3).number(1).number(2)), 0).has_value());
  memory.forget(0);
  ASSERT_FALSE(decoder.decode(std::string(Bytes().number(1).number(9).number(0)), 0).has_value());
  EXPECT_EQ(memory.row(0)["f"], Json({9}));
}

TEST(AvroDecoderTest, RecordsThatFollowEachOther) {
  const auto writer = shared(with_field(R"("string")"));
  testing::MemoryColumns memory(columns_of(*writer), 2);
  Decoder decoder(resolve(writer));
  decoder.begin(memory.writers());
  const std::string both = Bytes().text("one").text("two");
  std::string_view rest = both;
  ASSERT_FALSE(decoder.decode_next(rest, 0).has_value());
  ASSERT_FALSE(decoder.decode_next(rest, 1).has_value());
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(memory.row(1)["f"], "two");
}

TEST(AvroFramingTest, ThereAndBack) {
  std::string message;
  write_frame(0x01020304, message);
  message += "body";
  EXPECT_EQ(message.substr(0, 5), std::string("\0\x01\x02\x03\x04", 5));
  const auto frame = parse_frame(message);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->schema_id, 0x01020304U);
  EXPECT_EQ(frame->body, "body");
  EXPECT_FALSE(parse_frame("\x01xxxxx").has_value());
  EXPECT_FALSE(parse_frame(std::string(4, '\0')).has_value());
}

/// Schemas 1, an int, and 2, a long; 3 comes later, and 4 is a text, which does not fit.
class Numbered final : public NumberedSchemas {
 public:
  SchemaLookup find(std::uint32_t id) override {
    asked++;
    switch (id) {
      case 1:
        return {.schema = shared(with_field(R"("int")")), .reason = ""};
      case 4:
        return {.schema = shared(with_field(R"("string")")), .reason = ""};
      default:
        return id == 2 || (id == 3 && three) ? SchemaLookup{.schema = reader, .reason = ""}
                                             : SchemaLookup{.schema = nullptr, .reason = "unknown"};
    }
  }

  SharedSchema reader = shared(with_field(R"("long")"));
  int asked = 0;
  bool three = false;
};

class AvroFramedTest : public ::testing::Test {
 protected:
  std::optional<Malformation> decode(std::uint32_t id, std::size_t row) {
    std::string message;
    write_frame(id, message);
    write_long(40 + id, message);
    return decoder_.decode(message, row);
  }

  Numbered schemas_;
  FramedDecoder decoder_{std::make_shared<Plans>(
      schemas_, [this](const SharedSchema& writer) { return resolve(writer, schemas_.reader); })};
  testing::MemoryColumns memory_{columns_of(*schemas_.reader), 5};
};

TEST_F(AvroFramedTest, ADecoderForEachSchema) {
  for (int chunk = 0; chunk < 2; chunk++) {
    decoder_.begin(memory_.writers());
    for (std::uint32_t id = 1; id <= 2; id++) {
      ASSERT_FALSE(decode(id, id).has_value());
      EXPECT_EQ(memory_.row(id)["f"], 40 + id);
    }
  }
  EXPECT_EQ(schemas_.asked, 2);
}

TEST_F(AvroFramedTest, WhatNamesNoSchemaOfUseIsMalformed) {
  decoder_.begin(memory_.writers());
  EXPECT_TRUE(decoder_.decode("", 0).has_value());
  EXPECT_TRUE(decoder_.decode(R"({"json":1})", 0).has_value());
  EXPECT_EQ(decode(3, 3)->reason, "unknown");
  EXPECT_THAT(decode(4, 4)->reason, ::testing::StartsWith("written with schema 4: "));
  EXPECT_THAT(decode(4, 4)->reason, ::testing::StartsWith("written with schema 4: "));
  EXPECT_EQ(schemas_.asked, 2);
  // One that comes late is found.
  schemas_.three = true;
  EXPECT_FALSE(decode(3, 3).has_value());
  EXPECT_EQ(memory_.row(3)["f"], 43);
}

}  // namespace
}  // namespace millrace::avro
