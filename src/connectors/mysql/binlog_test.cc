// What comes from a server is not believed: events that are cut off or damaged end in an Error, and
// never in memory that is not theirs. What they mean is proved against a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "connectors/mysql/binlog_position.h"
#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/binlog_values.h"

namespace millrace::mysql {
namespace {

using Bytes = std::vector<unsigned char>;

/// shop.t (id INT UNSIGNED, name VARCHAR(20), price DECIMAL(10,2), at DATETIME(3), e
/// ENUM('a','b')).
const Bytes kMap{4,    's', 'h',  'o', 'p', 0,   1,   't', 0,              // names
                 5,    3,   15,   246, 18,  254,                           // types
                 7,    80,  0,    10,  2,   3,   247, 1,                   // their sizes
                 0x1F,                                                     // NULLs
                 1,    1,   0x80,                                          // unsigned
                 2,    1,   45,                                            // utf8mb4
                 4,    19,  2,    'i', 'd', 4,   'n', 'a', 'm', 'e',       //
                 5,    'p', 'r',  'i', 'c', 'e', 2,   'a', 't', 1,   'e',  // names
                 6,    5,   2,    1,   'a', 1,   'b'};                     // words
const Bytes kRow{0,                                                        // NULLs
                 0xFF, 0xFF, 0xFF, 0xFF,                                   // id
                 3,    'Z',  'o',  'e',                                    // name
                 0x7F, 0xFF, 0xFF, 0xFB,                                   // -4.
                 0xCE,                                                     // 49
                 0x99, 0xB2, 0xBA, 0xC8, 0xB8, 0x1E, 0xBE,  // 2024-02-29 12:34:56.787
                 2};                                        // b

std::string text_of(const BinlogTable& table, std::span<const Cell> cells, std::size_t column) {
  std::string text;
  write_text(field_of(table.columns[column]), cells[column], text);
  return text;
}

TEST(BinlogTest, RowsAreReadByWhatTheirTableMapSays) {
  const auto table = read_table_map(kMap);
  EXPECT_EQ(table.database + "." + table.name, "shop.t");
  ASSERT_EQ(table.columns.size(), 5U);
  EXPECT_TRUE(table.has_names);
  EXPECT_EQ(table.columns[4].words, (std::vector<std::string>{"a", "b"}));
  ImageReader images(table);
  ByteReader bytes(kRow);
  const Bytes all{0x1F};
  const auto cells = images.read(bytes, all);
  EXPECT_EQ(bytes.left(), 0U);
  EXPECT_EQ(text_of(table, cells, 0), "4294967295");
  EXPECT_EQ(text_of(table, cells, 1), "Zoe");
  EXPECT_EQ(text_of(table, cells, 2), "-4.49");
  EXPECT_EQ(text_of(table, cells, 3), "2024-02-29 12:34:56.787");
  EXPECT_EQ(text_of(table, cells, 4), "b");
}

TEST(BinlogTest, WhatIsCutOffIsAnError) {
  for (std::size_t size = 0; size < kMap.size(); ++size) {
    try {
      (void)read_table_map(std::span(kMap).first(size));
    } catch (const Error& error) {
      EXPECT_EQ(error.retry(), Retry::yes);
    }
  }
  const auto table = read_table_map(kMap);
  const Bytes all{0x1F};
  for (std::size_t size = 0; size < kRow.size(); ++size) {
    const Bytes row(kRow.begin(), kRow.begin() + static_cast<std::ptrdiff_t>(size));
    ImageReader images(table);
    ByteReader bytes(row);
    EXPECT_THROW((void)images.read(bytes, all), Error);
  }
}

TEST(BinlogTest, DamageIsNeverMoreThanAnError) {
  std::mt19937 random(7);
  const auto damaged = [&](Bytes bytes) {
    for (int i = 0; i < 3; ++i) {
      bytes[random() % bytes.size()] = static_cast<unsigned char>(random());
    }
    return bytes;
  };
  int read = 0;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    try {
      const auto table = read_table_map(damaged(kMap));
      ImageReader images(table);
      const Bytes row = damaged(kRow);
      const Bytes all((table.columns.size() + 7) / 8, 0xFF);
      ByteReader bytes(row);
      const auto cells = images.read(bytes, all);
      for (std::size_t c = 0; c < cells.size(); ++c) {
        if (cells[c].data != nullptr) {
          (void)text_of(table, cells, c);
        }
      }
      read++;
    } catch (const Error&) {
      refused++;
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

TEST(BinlogPositionTest, NotesTheLastTransactionOfEachDomain) {
  BinlogPosition position{.gtid = "0-1-10,2-7-3", .file = "b.000009", .offset = 4};
  position.pass(0, 2, 11);
  position.pass(5, 1, 1);
  EXPECT_EQ(position.gtid, "2-7-3,0-2-11,5-1-1");
  EXPECT_EQ(BinlogPosition::from_json(position.to_json()).to_json(), position.to_json());
  EXPECT_TRUE(position.has_reached({.file = "b.000009", .offset = 4}));
  EXPECT_FALSE(position.has_reached({.file = "b.000010", .offset = 4}));
  EXPECT_TRUE((BinlogPosition{.file = "b.1000000", .offset = 4}).has_reached(position));
}

}  // namespace
}  // namespace millrace::mysql
