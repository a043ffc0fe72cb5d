#include "formats/avro/file_rows.h"

#include <gtest/gtest.h>

#include "core/growing_columns.h"
#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

constexpr std::string_view kTextOrNumber = R"(["string","long"])";

/// Decodes records that follow each other, one chunk of a row each: rows as JSON, or why not.
std::vector<std::string> read_all(FileRows& rows, const std::string& writer,
                                  std::string_view records) {
  FileDecoder decoder(rows.plan(writer));
  std::vector<std::string> all;
  while (!records.empty()) {
    testing::MemoryColumns memory(rows.columns(), 1);
    decoder.begin(memory.writers());
    const auto result = decoder.next(records, 0);
    all.push_back(result.why ? (result.lost ? "lost: " : "malformed: ") + std::string(result.record)
                             : memory.row(0).dump());
  }
  return all;
}

TEST(AvroFileRowsTest, AMalformedRecordCostsOnlyItself) {
  FileRows rows(columns({{"f", "VARCHAR"}}));
  const std::string bad = Bytes().number(1).number(7);  // a number where only texts have a place
  const std::string records =
      std::string(Bytes().number(0).text("a")) + bad + std::string(Bytes().number(0).text("b"));
  EXPECT_EQ(read_all(rows, with_field(kTextOrNumber), records),
            (std::vector<std::string>{R"({"f":"a"})", "malformed: " + bad, R"({"f":"b"})"}));
}

TEST(AvroFileRowsTest, WhereTheNextOneBeginsMayBeLost) {
  FileRows rows(columns({{"f", "VARCHAR"}}));
  const std::string bad = std::string(Bytes().number(5)) + "whatever follows";  // no such branch
  EXPECT_EQ(
      read_all(rows, with_field(kTextOrNumber), std::string(Bytes().number(0).text("a")) + bad),
      (std::vector<std::string>{R"({"f":"a"})", "lost: " + bad}));
}

TEST(AvroFileRowsTest, ASchemaThatDoesNotFitIsOfEachRecord) {
  FileRows rows(columns({{"f", "INTEGER"}}));
  const std::string writer = with_field(R"("string")");
  EXPECT_EQ(rows.plan(writer)->rows, nullptr);
  EXPECT_NE(rows.plan(writer)->reason.find("column f"), std::string::npos);
  const std::string one = Bytes().text("1");
  const std::string two = Bytes().text("22");
  EXPECT_EQ(read_all(rows, writer, one + two),
            (std::vector<std::string>{"malformed: " + one, "malformed: " + two}));
}

TEST(AvroFileRowsTest, EachSchemaIsResolvedOnce) {
  FileRows rows(with_field(R"("double")", R"(,"default":1.5)"));
  EXPECT_EQ(rows.columns().text(), "f DOUBLE");
  const std::string writer = with_field(R"("int")");
  EXPECT_EQ(rows.plan(writer), rows.plan(writer));
  EXPECT_EQ(read_all(rows, writer, std::string(Bytes().number(3))),
            std::vector<std::string>{R"({"f":3.0})"});
  EXPECT_NE(error_of([&] { (void)rows.plan("no schema"); }), "");
  EXPECT_NE(error_of([&] { const FileRows none("no schema"); }), "");
}

TEST(AvroFileRowsTest, SingleValues) {
  FileRows rows(R"("long")");
  EXPECT_EQ(rows.columns().text(), "value BIGINT");
  EXPECT_EQ(read_all(rows, R"("int")", std::string(Bytes().number(1).number(2))),
            (std::vector<std::string>{R"({"value":1})", R"({"value":2})"}));
  FileRows declared(columns({{"n", "BIGINT"}}));
  EXPECT_EQ(read_all(declared, R"("int")", std::string(Bytes().number(1))),
            std::vector<std::string>{R"({"n":1})"});
}

/// Fields b VARCHAR and f INTEGER.
constexpr std::string_view kTwoFields =
    R"({"type":"record","name":"R","fields":[{"name":"b","type":"string"},{"name":"f","type":"int"}]})";

TEST(AvroFileRowsTest, WhatIsLeftOutIsRescued) {
  FileRows rows(make_reading({.declared = columns({{"rest", "VARCHAR"}, {"f", "INTEGER"}}),
                              .on_change = formats::OnSchemaChange::rescue,
                              .rescue_column = "rest"}));
  EXPECT_EQ(rows.columns().text(), "rest VARCHAR, f INTEGER");
  EXPECT_EQ(read_all(rows, std::string(kTwoFields),
                     std::string(Bytes().text("x").number(1).text("y").number(2))),
            (std::vector<std::string>{R"({"f":1,"rest":"{\"b\":\"x\"}"})",
                                      R"({"f":2,"rest":"{\"b\":\"y\"}"})"}));
  EXPECT_EQ(read_all(rows, with_field(R"("int")"), std::string(Bytes().number(3))),
            std::vector<std::string>{R"({"f":3,"rest":null})"});
  // The column of single values is the other one.
  EXPECT_EQ(read_all(rows, R"("int")", std::string(Bytes().number(4))),
            std::vector<std::string>{R"({"f":4,"rest":null})"});
}

TEST(AvroFileRowsTest, AFieldMoreEndsThePipelineOrIsAColumn) {
  FileRows fails(make_reading(
      {.declared = columns({{"f", "INTEGER"}}), .on_change = formats::OnSchemaChange::fail}));
  EXPECT_THROW((void)fails.plan(std::string(kTwoFields)), formats::SchemaChange);
  std::string grown;
  FileRows grows(
      make_reading({.on_change = formats::OnSchemaChange::add_columns,
                    .so_far = columns({{"f", "INTEGER"}}),
                    .grow = [&grown](const millrace::Schema& all, const millrace::Schema& fresh) {
                      grown = all.text() + "; " + fresh.text();
                      throw ColumnsGrew("s", all, fresh.text());
                    }}));
  EXPECT_THROW((void)grows.plan(std::string(kTwoFields)), ColumnsGrew);
  EXPECT_EQ(grown, "f INTEGER, b VARCHAR; b VARCHAR");
}

}  // namespace
}  // namespace millrace::avro
