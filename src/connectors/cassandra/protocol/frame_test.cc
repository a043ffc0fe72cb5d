#include "connectors/cassandra/protocol/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "connectors/cassandra/protocol/checksums.h"
#include "connectors/cassandra/protocol/test_hex.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {
namespace {

/// What a server would send: the same bytes with the bit of an answer in each envelope.
std::string as_answer(const Framing& framing, std::int16_t stream, Opcode opcode,
                      const std::string& body) {
  FrameWriter writer;
  Framing answering = framing;
  answering.version |= 0x80;
  writer.set(answering);
  writer.add(stream, opcode, body);
  return writer.take();
}

std::vector<Framing> all_framings() {
  return {{.version = 4, .segments = false, .lz4 = false},
          {.version = 4, .segments = false, .lz4 = true},
          {.version = 5, .segments = true, .lz4 = false},
          {.version = 5, .segments = true, .lz4 = true}};
}

// Made by another client (the Python driver's cassandra.segment).
TEST(CassandraFrames, ChecksumsAreThoseOfOthers) {
  EXPECT_EQ(crc24(0x020032, 3), 0xeeffa5U);
  EXPECT_EQ(crc24(0x01ffff, 3), 0xfe9138U);
  EXPECT_EQ(crc24(0x0400640014, 5), 0x36e7cfU);
  EXPECT_EQ(payload_crc32("hello, segment"), 0x9c8fb162U);
}

TEST(CassandraFrames, ARequestIsAHeaderAndABody) {
  FrameWriter writer;
  writer.set({.version = 4});
  writer.add(258, Opcode::query, "abc");
  EXPECT_EQ(hex(writer.take()), "040001020700000003616263");
  EXPECT_EQ(writer.take(), "");
}

TEST(CassandraFrames, ASegmentHasALengthAndTwoChecksums) {
  FrameWriter writer;
  writer.set({.version = 5, .segments = true});
  writer.add(1, Opcode::options, "");
  const auto bytes = writer.take();
  ASSERT_EQ(bytes.size(), 3U + 3U + 9U + 4U);
  EXPECT_EQ(hex(bytes.substr(0, 3)), "090002");
  EXPECT_EQ(hex(bytes.substr(6, 9)), "050000010500000000");
}

TEST(CassandraFrames, WhatIsWrittenIsRead) {
  for (const auto& framing : all_framings()) {
    for (const std::size_t size :
         {0UL, 10UL, 5'000UL, kSegmentBytesMax - 9, kSegmentBytesMax, 3 * kSegmentBytesMax + 17}) {
      std::string body(size, 'x');
      for (std::size_t i = 0; i < size; i += 7) {
        body[i] = static_cast<char>(i * i >> 3);
      }
      const auto bytes =
          as_answer(framing, 7, Opcode::result, body) + as_answer(framing, 8, Opcode::ready, "");
      FrameReader reader;
      reader.set(framing);
      std::vector<Envelope> got;
      for (std::size_t i = 0; i < bytes.size(); i += 1'000) {
        reader.add(std::string_view(bytes).substr(i, 1'000));
        while (auto envelope = reader.next()) {
          got.push_back(*std::move(envelope));
        }
      }
      ASSERT_EQ(got.size(), 2U) << size;
      EXPECT_EQ(got[0].stream, 7);
      EXPECT_EQ(got[0].opcode, Opcode::result);
      EXPECT_TRUE(got[0].body == body) << size;
      EXPECT_EQ(got[1].stream, 8);
    }
  }
}

TEST(CassandraFrames, EveryDamagedBitIsFound) {
  for (const bool lz4 : {false, true}) {
    const Framing framing{.version = 5, .segments = true, .lz4 = lz4};
    const auto bytes = as_answer(framing, 7, Opcode::result, std::string(100, 'y'));
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      auto damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      FrameReader reader;
      reader.set(framing);
      reader.add(damaged);
      EXPECT_THROW((void)reader.next(), BadFrame) << bit;
    }
  }
}

TEST(CassandraFrames, WhatIsNoAnswerIsRefused) {
  FrameReader http;
  http.set({.version = 4});
  http.add("HTTP/1.1 400 Bad Request");
  EXPECT_THROW((void)http.next(), BadFrame);
  FrameReader large;
  large.set({.version = 4});
  using namespace std::string_view_literals;
  large.add("\x84\0\0\1\x08\x7f\xff\xff\xff"sv);
  EXPECT_THROW((void)large.next(), BadFrame);
}

TEST(CassandraFrames, WarningsAreNoPartOfABody) {
  std::string body;
  put(std::uint16_t{1}, body);
  put_string("careful", body);
  body += "rest";
  std::string bytes = {static_cast<char>(0x84), 0x08, 0, 3, 0x08};
  put(static_cast<std::uint32_t>(body.size()), bytes);
  FrameReader reader;
  reader.set({.version = 4});
  reader.add(bytes + body);
  EXPECT_EQ(reader.next()->body, "rest");
}

}  // namespace
}  // namespace millrace::cassandra
