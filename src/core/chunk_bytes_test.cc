#include "core/chunk_bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace millrace {
namespace {

TEST(ChunkBytes, FixedSizesAndLengthsOfTexts) {
  const std::array<std::int64_t, 2> numbers = {1, 2};
  std::array<StringRef, 2> texts{};
  texts[0].length = 10;
  texts[1].length = 999;  // NULL: its length means nothing
  const std::uint64_t first_only = 1;
  const std::array<ColumnView, 3> columns = {
      ColumnView{.physical = Physical::i64, .data = numbers.data()},
      ColumnView{.physical = Physical::string, .data = texts.data(), .validity = &first_only},
      ColumnView{.physical = Physical::other}};
  const Chunk chunk{.rows = 2, .columns = columns};
  EXPECT_EQ(bytes_of(chunk), 2 * 8 + (4 + 10) + 1 + 2 * 16);
  EXPECT_EQ(bytes_of(chunk, {false, true, false}), 4 + 10 + 1);
}

TEST(ChunkBytes, NoRowsNoBytes) { EXPECT_EQ(bytes_of(Chunk{}), 0); }

}  // namespace
}  // namespace millrace
