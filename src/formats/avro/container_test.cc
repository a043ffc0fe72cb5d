#include "formats/avro/container.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

using Found = ContainerReader::Found;

constexpr std::array kCodecs{Codec::null,      Codec::deflate, Codec::snappy,
                             Codec::zstandard, Codec::bzip2,   Codec::xz};
constexpr int kRecords = 1000;

SyncMarker marker() {
  SyncMarker marker;
  std::ranges::copy(std::string_view("0123456789abcdef"), marker.begin());
  return marker;
}

std::string file_of(Codec codec, std::size_t block_bytes = 500) {
  std::string file;
  ContainerWriter writer([&](std::string_view bytes) { file += bytes; }, with_field(R"("int")"),
                         {.codec = codec,
                          .block_bytes = block_bytes,
                          .marker = marker(),
                          .metadata = {{"made.by", "a test"}}});
  for (int i = 0; i < kRecords; i++) {
    writer.add(std::string(Bytes().number(i)));
  }
  writer.finish();
  return file;
}

/// Gives a file in pieces of so many bytes.
ReadBytes pieces(const std::string& file, std::size_t piece) {
  return [&file, piece, at = std::size_t{0}](char* to, std::size_t bytes) mutable {
    bytes = std::min({bytes, piece, file.size() - at});
    std::memcpy(to, file.data() + at, bytes);
    at += bytes;
    return bytes;
  };
}

struct Content {
  std::int64_t records = 0;
  std::vector<std::string> damage;
  std::vector<std::string> damaged;  // the bytes
};

Content read_all(const std::string& file, std::size_t piece = 1 << 20) {
  ContainerReader reader(pieces(file, piece));
  Content content;
  for (Found found = reader.next(); found != Found::end; found = reader.next()) {
    content.records += reader.records();
    if (found == Found::damaged) {
      content.damage.push_back(reader.damage());
      content.damaged.emplace_back();
      for (auto part = reader.take_damaged(97); !part.empty(); part = reader.take_damaged(97)) {
        content.damaged.back() += part;
      }
    }
  }
  return content;
}

TEST(AvroContainerTest, ThereAndBackWithEachCodec) {
  for (const Codec codec : kCodecs) {
    const std::string file = file_of(codec);
    ContainerReader reader(pieces(file, 7));
    EXPECT_EQ(reader.codec(), codec);
    EXPECT_EQ(reader.schema(), with_field(R"("int")"));
    EXPECT_EQ(reader.metadata().at("made.by"), "a test");
    std::string records;
    std::int64_t count = 0;
    while (reader.next() == Found::block) {
      records += reader.bytes();
      count += reader.records();
    }
    Bytes expected;
    for (int i = 0; i < kRecords; i++) {
      expected.number(i);
    }
    EXPECT_EQ(count, kRecords);
    EXPECT_EQ(records, std::string(expected));
  }
}

TEST(AvroContainerTest, WhatIsNoContainer) {
  const std::string file = file_of(Codec::null);
  for (const std::string& damaged :
       {std::string(), std::string("Obj"), std::string("PAR1...."), file.substr(0, 20),
        std::string("Obj\x01\0", 5),
        "Obj\x01" + std::string(Bytes().number(1).text("a").number(-5)),
        "Obj\x01" + std::string(Bytes().number(1).text("avro.schema").text("\"int\"").number(0)),
        "Obj\x01" + std::string(Bytes().number(INT64_MIN)),
        "Obj\x01" +
            std::string(Bytes()
                            .number(2)
                            .text("avro.schema")
                            .text("\"int\"")
                            .text("avro.codec")
                            .text("lzo")
                            .number(0)) +
            std::string(16, 'x')}) {
    EXPECT_NE(error_of([&] { const ContainerReader reader(pieces(damaged, 100)); }), "");
  }
}

TEST(AvroContainerTest, RefusalsAreText) {
  const std::string file = "Obj\x01" + std::string(Bytes()
                                                       .number(2)
                                                       .text("avro.schema")
                                                       .text("\"int\"")
                                                       .text("avro.codec")
                                                       .text("lz\xff")
                                                       .number(0));
  EXPECT_NE(error_of([&] { const ContainerReader reader(pieces(file, 100)); }).find("`lz?`"),
            std::string::npos);
}

TEST(AvroContainerTest, ADamagedBlockIsPassedOver) {
  for (const Codec codec : kCodecs) {
    const std::string good = file_of(codec);
    std::string file = good;
    ContainerReader reader(pieces(good, 100));
    ASSERT_EQ(reader.next(), Found::block);
    const std::int64_t begin = reader.offset();
    const std::int64_t lost = reader.records();
    ASSERT_EQ(reader.next(), Found::block);
    file[static_cast<std::size_t>(reader.offset()) - 1] ^= 1;  // the marker of the first
    const Content content = read_all(file);
    EXPECT_EQ(content.damage.size(), 1);
    // The next marker is the second block's, which is lost, too.
    EXPECT_EQ(content.records, kRecords - lost - reader.records());
    // All of it can be had, in pieces, whatever the reads are.
    const auto end = reader.next() == Found::block ? reader.offset() : 0;
    for (const std::size_t piece : {1UL << 20U, 1UL, 7UL}) {
      const Content again = read_all(file, piece);
      ASSERT_EQ(again.damaged.size(), 1);
      EXPECT_EQ(again.damaged[0],
                file.substr(static_cast<std::size_t>(begin),
                            static_cast<std::size_t>(end - begin) - marker().size()));
    }
  }
}

TEST(AvroContainerTest, BytesThatDoNotExpand) {
  for (const Codec codec : {Codec::snappy, Codec::zstandard, Codec::bzip2, Codec::xz}) {
    const std::string good = file_of(codec);
    ContainerReader reader(pieces(good, 100));
    std::string file = good;
    file[static_cast<std::size_t>(reader.next() == Found::block ? reader.offset() : 0) + 5] ^= 0x55;
    const Content content = read_all(file);
    EXPECT_EQ(content.damage.size(), 1) << word(codec);
    EXPECT_EQ(content.records, kRecords - reader.records()) << word(codec);
    const auto begin = static_cast<std::size_t>(reader.offset());
    ASSERT_EQ(reader.next(), Found::block);
    EXPECT_EQ(content.damaged[0],
              file.substr(begin, static_cast<std::size_t>(reader.offset()) - begin));
  }
}

TEST(AvroContainerTest, AFileThatIsCutOff) {
  const std::string file = file_of(Codec::deflate);
  const ContainerReader header(pieces(file, file.size()));
  std::int64_t before = 0;
  for (std::size_t size = 200; size < file.size(); size++) {
    Content content;
    if (error_of([&] { content = read_all(file.substr(0, size)); }).empty()) {
      EXPECT_GE(content.records, before);
      EXPECT_LE(content.damage.size(), 1);
      if (!content.damage.empty()) {
        EXPECT_TRUE(std::string_view(file).substr(0, size).ends_with(content.damaged[0]));
      }
      before = content.records;
    }
  }
  EXPECT_LT(before, kRecords);
}

TEST(AvroContainerTest, LimitsOfBlocks) {
  const std::string file = file_of(Codec::zstandard, 1 << 20);
  ContainerReader reader(pieces(file, 1 << 20), {.block_bytes = 1000});
  EXPECT_EQ(reader.next(), Found::damaged);
  // A few bytes that expand to very many.
  std::string zeros;
  compress(Codec::deflate, std::string(10'000'000, '\0'), zeros);
  std::string to;
  EXPECT_FALSE(decompress(Codec::deflate, zeros, 1'000'000, to));
  EXPECT_LE(to.size(), 1'000'000);
  EXPECT_TRUE(decompress(Codec::deflate, zeros, 20'000'000, to));
  EXPECT_EQ(to.size(), 10'000'000);
  // A length that is claimed only.
  EXPECT_FALSE(
      decompress(Codec::snappy, std::string("\xFF\xFF\xFF\x7F\0\0\0\0\0", 9), 1U << 30U, to));
}

TEST(AvroContainerTest, RecordsWithoutBytesAreLimited) {
  std::string file;
  ContainerWriter writer([&](std::string_view bytes) { file += bytes; }, with_field(R"("null")"),
                         {.codec = Codec::null, .marker = marker()});
  file += std::string(Bytes().number(INT64_MAX).number(0)) + "0123456789abcdef";
  EXPECT_EQ(read_all(file).damage.size(), 1);
}

TEST(AvroContainerTest, AnEmptyFile) {
  std::string file;
  ContainerWriter writer([&](std::string_view bytes) { file += bytes; }, with_field(R"("int")"),
                         {});
  writer.finish();
  EXPECT_EQ(read_all(file).records, 0);
}

}  // namespace
}  // namespace millrace::avro
