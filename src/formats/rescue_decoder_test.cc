#include "formats/rescue_decoder.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

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
    decoder_.emplace(std::make_shared<avro::Plans>(known_, resolve),
                     std::make_shared<avro::Plans>(known_, rest_of(resolve)), 1);
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
