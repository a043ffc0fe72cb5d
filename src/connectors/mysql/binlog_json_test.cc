// That whole documents are as the server prints them is proved against a real one.
#include "connectors/mysql/binlog_json.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <vector>

#include "base/error.h"

namespace millrace::mysql {
namespace {

using Bytes = std::vector<unsigned char>;

std::string json_of(const Bytes& document) {
  std::string text;
  write_json(document, text);
  return text;
}

/// {"a": [1, "x", null], "bb": 70000}, all offsets from the begin of what they are in.
const Bytes kDocument{0,                                    // object
                      2,    0,    41,  0,                   // count, size
                      18,   0,    1,   0,  19, 0, 2, 0,     // keys
                      2,    21,   0,   7,  37, 0,           // values
                      'a',  'b',  'b',                      //
                      3,    0,    15,  0,                   // the array
                      5,    1,    0,   12, 13, 0, 4, 0, 0,  //
                      1,    'x',  0,                        //
                      0x70, 0x11, 1,   0};                  // 70000

Bytes number(double value) {
  Bytes bytes{11};
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (unsigned i = 0; i < 8; ++i) {
    bytes.push_back(bits >> (8 * i) & 0xFFU);
  }
  return bytes;
}

TEST(BinlogJsonTest, Documents) {
  EXPECT_EQ(json_of({}), "null");
  EXPECT_EQ(json_of({4, 1}), "true");
  EXPECT_EQ(json_of({5, 0xFF, 0xFF}), "-1");
  EXPECT_EQ(json_of({12, 3, 'a', '"', 1}), R"("a\"\u0001")");
  EXPECT_EQ(json_of({15, 253, 2, 'h', 'i'}), R"("base64:type253:aGk=")");
  EXPECT_EQ(json_of({0, 0, 0, 4, 0}), "{}");
}

TEST(BinlogJsonTest, Containers) {
  Bytes document = kDocument;
  document[3] = static_cast<unsigned char>(document.size() - 1);
  // The array begins behind the keys: at 4 + 8 + 6 + 3.
  document[14] = 21;
  document[17] = 37;
  EXPECT_EQ(json_of(document), R"({"a": [1, "x", null], "bb": 70000})");
}

TEST(BinlogJsonTest, DoublesHaveTheFewestDigits) {
  EXPECT_EQ(json_of(number(1)), "1.0");
  EXPECT_EQ(json_of(number(-0.0)), "-0.0");
  EXPECT_EQ(json_of(number(0.1)), "0.1");
  EXPECT_EQ(json_of(number(-1234.5)), "-1234.5");
  EXPECT_EQ(json_of(number(1e14)), "100000000000000.0");
  EXPECT_EQ(json_of(number(1e15)), "1e15");
  EXPECT_EQ(json_of(number(1.5e-20)), "1.5e-20");
  EXPECT_THROW((void)json_of(number(1e308 * 10)), Error);
}

TEST(BinlogJsonTest, WhatIsDamagedIsAnError) {
  EXPECT_THROW((void)json_of({99}), Error);
  EXPECT_THROW((void)json_of({4, 7}), Error);
  EXPECT_THROW((void)json_of({12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}), Error);
  EXPECT_THROW((void)json_of({2, 1, 0, 200, 0, 12, 7, 0}), Error);  // longer than it is
  EXPECT_THROW((void)json_of({2, 1, 0, 7, 0, 2, 0, 0}), Error);     // an array in itself
  EXPECT_THROW((void)json_of({15, 246, 3, 2, 9, 0x80}),
               Error);  // more behind the point than digits
}

TEST(BinlogJsonTest, PartsThatAreUsedAgainAndAgainDoNotFillMemory) {
  // Arrays of two, both of which are the next one.
  Bytes document{2};
  constexpr unsigned kLevels = 60;
  for (unsigned level = 0; level < kLevels; ++level) {
    const auto size = static_cast<unsigned>((kLevels - level) * 10);
    document.insert(document.end(), {2, 0, static_cast<unsigned char>(size & 0xFFU),
                                     static_cast<unsigned char>(size >> 8U), 2, 10, 0, 2, 10, 0});
  }
  EXPECT_THROW((void)json_of(document), Error);
}

TEST(BinlogJsonTest, AnyBytesAreADocumentOrAnError) {
  std::mt19937 random(3);
  int documents = 0;
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes = kDocument;
    for (int k = 0; k < 3; ++k) {
      bytes[random() % bytes.size()] = static_cast<unsigned char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    try {
      EXPECT_LE(json_of(bytes).size(), 4096U);
      documents++;
    } catch (const Error&) {
      continue;
    }
  }
  EXPECT_GT(documents, 0);
}

}  // namespace
}  // namespace millrace::mysql
