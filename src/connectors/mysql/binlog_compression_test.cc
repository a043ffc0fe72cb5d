// Against real servers in tests/mysql; here what is damaged.
#include "connectors/mysql/binlog_compression.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace millrace::mysql {
namespace {

using Bytes = std::vector<unsigned char>;

Bytes deflated(const std::string& text, std::uint32_t length) {
  Bytes bytes{0x84, static_cast<unsigned char>(length >> 24U),
              static_cast<unsigned char>(length >> 16U), static_cast<unsigned char>(length >> 8U),
              static_cast<unsigned char>(length)};
  Bytes packed(::compressBound(text.size()));
  auto size = static_cast<uLongf>(packed.size());
  EXPECT_EQ(
      ::compress(packed.data(), &size, reinterpret_cast<const Bytef*>(text.data()), text.size()),
      Z_OK);
  bytes.insert(bytes.end(), packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
  return bytes;
}

TEST(BinlogCompressionTest, EventsAreInflated) {
  const std::string text(1000, 'x');
  const auto plain = inflate_event(deflated(text, 1000));
  EXPECT_EQ(std::string(plain.begin(), plain.end()), text);
  EXPECT_THROW((void)inflate_event(deflated(text, 999)), Error);
  EXPECT_THROW((void)inflate_event(deflated(text, 1001)), Error);
  EXPECT_THROW((void)inflate_event(deflated(text, 0x3FFF'FFFF)), Error);  // nothing is taken for it
  EXPECT_THROW((void)inflate_event(Bytes{}), Error);
  EXPECT_THROW((void)inflate_event(Bytes{0x90, 1}), Error);
}

/// An event of MySQL's, with its header.
std::string event(unsigned char type, const std::string& body) {
  std::string bytes(19, '\0');
  bytes[4] = static_cast<char>(type);
  bytes[9] = static_cast<char>((19 + body.size()) & 0xFFU);
  bytes[10] = static_cast<char>((19 + body.size()) >> 8U);
  return bytes + body;
}

Bytes payload(const std::string& events, bool is_packed) {
  std::string packed = events;
  if (is_packed) {
    packed.resize(ZSTD_compressBound(events.size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), events.data(), events.size(), 3));
  }
  const auto size = packed.size();
  Bytes bytes{2, static_cast<unsigned char>(is_packed ? 1 : 3)};
  if (is_packed) {
    bytes.push_back(0);
  } else {
    bytes.insert(bytes.end(), {252, 255, 0});
  }
  bytes.insert(bytes.end(), {1, 3, 252, static_cast<unsigned char>(size & 0xFFU),
                             static_cast<unsigned char>(size >> 8U), 0});
  bytes.insert(bytes.end(), packed.begin(), packed.end());
  return bytes;
}

TEST(BinlogCompressionTest, PayloadsGiveEventByEvent) {
  for (const bool is_packed : {true, false}) {
    const auto bytes =
        payload(event(19, "map") + event(30, std::string(20'000, 'r')) + event(16, ""), is_packed);
    PayloadReader reader{ByteReader(bytes)};
    auto first = reader.next();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->type, 19U);
    EXPECT_EQ(first->body.text(3), "map");
    auto second = reader.next();
    ASSERT_TRUE(second);
    EXPECT_EQ(second->body.left(), 20'000U);
    EXPECT_EQ(reader.next()->type, 16U);
    EXPECT_FALSE(reader.next());
  }
}

TEST(BinlogCompressionTest, DamagedPayloadsAreErrors) {
  const auto all = [](const Bytes& bytes) {
    PayloadReader reader{ByteReader(bytes)};
    while (reader.next()) {
    }
  };
  const auto good = payload(event(19, "map") + event(16, ""), true);
  EXPECT_NO_THROW(all(good));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW(all(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))), Error);
  }
  EXPECT_THROW(all(payload(event(19, "map").substr(0, 20), true)), Error);
  EXPECT_THROW(all(payload(std::string(19, '\0'), false)), Error);  // a size of 0
}

}  // namespace
}  // namespace millrace::mysql
