#include "formats/rescue_decoder.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "formats/avro/columns.h"
#include "formats/avro/framing.h"
#include "formats/avro/resolve.h"
#include "formats/avro/testing.h"

namespace millrace::formats {
namespace {

/// Schemas in memory.
class Known final : public avro::NumberedSchemas {
 public:
  std::map<std::uint32_t, avro::SharedSchema> schemas;
  avro::SchemaLookup find(std::uint32_t id) override { return {schemas.at(id), ""}; }
};

std::string framed(std::uint32_t id, std::string_view body) {
  std::string record;
  avro::write_frame(id, record);
  return record.append(body);
}

class RescueDecoderTest : public ::testing::Test {
 protected:
  RescueDecoderTest() {
    known_.schemas[1] =
        avro::shared(R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"}]})");
    known_.schemas[2] = avro::shared(
        R"({"type":"record","name":"R","fields":[{"name":"b","type":"string"},)"
        R"({"name":"a","type":"int"},{"name":"d","type":"double"},{"name":"rest","type":"null"}]})");
    known_.schemas[3] =
        avro::shared(R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},)"
                     R"({"name":"again","type":["null","R"]}]})");
    const avro::Plans::Resolve resolve = [this](const avro::SharedSchema& writer) {
      return avro::resolve(writer, filled_, avro::Missing::null);
    };
    decoder_.emplace(FramedPlans{.known = std::make_shared<avro::Plans>(known_, resolve),
                                 .rest = std::make_shared<avro::Plans>(known_, rest_of(resolve)),
                                 .rescue_column = 1});
    decoder_->begin(columns_.writers());
  }

  Known known_;
  Schema filled_{{{"a", "INTEGER", Physical::i32}}};
  testing::MemoryColumns columns_{
      Schema{{{"a", "INTEGER", Physical::i32}, {"rest", "VARCHAR", Physical::string}}}};
  std::optional<RescueDecoder> decoder_;
};

TEST_F(RescueDecoderTest, KeepsWhatTheColumnsDoNotHave) {
  EXPECT_FALSE(decoder_->decode(framed(1, "\x02"), 0));
  const std::string number(8, '\0');
  EXPECT_FALSE(decoder_->decode(framed(2, "\x04hi\x04" + number), 1));
  EXPECT_FALSE(decoder_->decode(framed(2, "\x06\"\n\x01\x06" + number), 2));
  EXPECT_FALSE(decoder_->decode(framed(1, "\x08"), 3));
  using nlohmann::json;
  EXPECT_EQ(columns_.row(0), json({{"a", 1}, {"rest", nullptr}}));
  EXPECT_EQ(columns_.row(1), json({{"a", 2}, {"rest", R"({"b":"hi","d":0,"rest":null})"}}));
  EXPECT_EQ(json::parse(columns_.row(2)["rest"].get<std::string>())["b"], "\"\n\x01");
  EXPECT_EQ(columns_.row(3), json({{"a", 4}, {"rest", nullptr}}));
}

/// Columns that are records, of a writer that has more fields in them.
class NestedRescueTest : public ::testing::Test {
 protected:
  static constexpr const char* kWriter =
      R"({"type":"record","name":"R","fields":[)"
      R"({"name":"Place","type":["null",{"type":"record","name":"P","fields":[)"
      R"({"name":"zip","type":"string"},{"name":"city","type":"string"},)"
      R"({"name":"land","type":{"type":"record","name":"L","fields":[)"
      R"({"name":"code","type":"string"},{"name":"more","type":["null","double"]}]}}]}]},)"
      R"({"name":"items","type":{"type":"array","items":"L"}},)"
      R"({"name":"x","type":["null","int"]}]})";

  /// What is rescued of records that `resolve` makes rows of.
  std::string rescued(const avro::Plans::Resolve& resolve, const Schema& known,
                      const std::string& record) {
    Known schemas;
    schemas.schemas[1] = avro::shared(kWriter);
    RescueDecoder decoder({.known = std::make_shared<avro::Plans>(schemas, resolve),
                           .rest = std::make_shared<avro::Plans>(schemas, rest_of(resolve)),
                           .rescue_column = known.size()});
    Schema all = known;
    all.columns.push_back({"rest", "VARCHAR", Physical::string});
    testing::MemoryColumns columns(all, 1);
    decoder.begin(columns.writers());
    if (const auto why = decoder.decode(framed(1, record), 0)) {
      return why->column + ": " + why->reason;
    }
    return columns.row(0)["rest"].dump();
  }
  std::string rescued(const Schema& known, const std::string& record) {
    const auto resolve = [&](const avro::SharedSchema& writer) {
      return avro::resolve(writer, known, avro::Missing::null);
    };
    return rescued(resolve, known, record);
  }
  static std::string place(double more) {
    return avro::Bytes().number(1).text("1234").text("x").text("NL").number(1).little(more);
  }
  static std::string quoted(const char* text) { return nlohmann::json(text).dump(); }

  const std::string none_ = avro::Bytes().number(0);
};

TEST_F(NestedRescueTest, IsUnderTheColumnsName) {
  const auto columns = avro::columns({{"place", "STRUCT(city VARCHAR, land STRUCT(code VARCHAR))"},
                                      {"items", "STRUCT(code VARCHAR)[]"},
                                      {"x", "INTEGER"}});
  const std::string rest = none_ + none_;  // no items, and x is null
  EXPECT_EQ(rescued(columns, place(1.5) + rest),
            quoted(R"({"place":{"zip":"1234","land":{"more":1.5}}})"));
  EXPECT_EQ(rescued(columns, none_ + rest), "null") << "the record itself is null";
  const std::string items = avro::Bytes().number(1).text("NL").number(0).number(0);
  EXPECT_EQ(rescued(columns, none_ + items + none_), "null") << "new in a list: left out";
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(rescued(columns, place(nan) + rest).substr(0, 38),
            "place.land.more: it can't be rescued: ");
}

TEST_F(NestedRescueTest, ComesBehindOtherFieldsOfItsRecord) {
  const auto columns = avro::columns({{"place", "STRUCT(land STRUCT(code VARCHAR))"}});
  EXPECT_EQ(
      rescued(columns, place(1.5) + none_ + none_),
      quoted(R"({"items":[],"x":null,"place":{"zip":"1234","city":"x","land":{"more":1.5}}})"));
  EXPECT_EQ(rescued(columns, none_ + none_ + none_), quoted(R"({"items":[],"x":null})"));
}

TEST_F(NestedRescueTest, OfAReadersSchemaWithAnAlias) {
  const auto reader = avro::shared(
      R"({"type":"record","name":"R","fields":[{"name":"at","aliases":["Place"],"type":["null",)"
      R"({"type":"record","name":"P","fields":[{"name":"city","type":"string"}]}]}]})");
  const auto resolve = [&](const avro::SharedSchema& writer) {
    return avro::resolve(writer, reader);
  };
  EXPECT_EQ(rescued(resolve, avro::columns_of(*reader), place(2) + none_ + none_),
            quoted(R"({"items":[],"x":null,"at":{"zip":"1234","land":{"code":"NL","more":2}}})"));
}

TEST_F(RescueDecoderTest, WhatHasNoJsonIsMalformed) {
  const std::string nan("\0\0\0\0\0\0\xf8\x7f", 8);
  const auto why = decoder_->decode(framed(2, "\x04hi\x04" + nan), 0);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->column, "d");
  columns_.forget(0);
  const auto recursive = decoder_->decode(framed(3, std::string("\x02\0", 2)), 0);
  ASSERT_TRUE(recursive);
  EXPECT_NE(recursive->reason.find("schema 3"), std::string::npos) << recursive->reason;
  columns_.forget(0);
  EXPECT_TRUE(decoder_->decode(framed(2, "\x04hi"), 0));
}

}  // namespace
}  // namespace millrace::formats
