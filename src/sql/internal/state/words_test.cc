#include "sql/internal/state/words.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace millrace::sql {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

struct Written {
  std::vector<std::int64_t> words;
  std::size_t bytes;  // with a byte for the width and 8 for the least
};

std::vector<std::int64_t> back(duckdb::MemoryStream& stream, std::size_t count) {
  Words words;
  stream.Rewind();
  read_words(stream, count, words.data());
  return {words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST(Words, AreReadAsTheyWere) {
  const std::vector<Written> cases = {
      {{}, 9},
      {{7, 7, 7}, 9},
      {{1'000'000, 1'000'255}, 9 + 2},
      {{1'000'000, 1'000'256}, 9 + 4},
      {{-1, 0, 1}, 9 + 3},
      {{-5'000'000, 5'000'000}, 9 + 6},
      {{Limits::max() - 1, Limits::max()}, 9 + 2},
      {{Limits::min(), Limits::max(), 0}, 9 + 24},
      {{0, Limits::max()}, 9 + 16},
  };
  for (const auto& [words, bytes] : cases) {
    duckdb::MemoryStream stream;
    write_words(words.data(), words.size(), stream);
    EXPECT_EQ(stream.GetPosition(), bytes);
    EXPECT_EQ(back(stream, words.size()), words);
  }
}

TEST(Words, AWholeVectorOfEachWidth) {
  for (int bits = 0; bits < 64; ++bits) {
    std::vector<std::int64_t> words(STANDARD_VECTOR_SIZE);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = static_cast<std::int64_t>((i * 0x9e3779b97f4a7c15) >> static_cast<unsigned>(bits));
    }
    duckdb::MemoryStream stream;
    write_words(words.data(), words.size(), stream);
    EXPECT_EQ(back(stream, words.size()), words) << bits;
  }
}

TEST(Words, AColumnThatEqualsAnEarlierOneIsAReference) {
  WordsWriter writer(3);
  duckdb::MemoryStream stream;
  const auto write = [&](std::int64_t a, std::int64_t b, std::int64_t c) {
    auto& column = writer.next();
    column[0] = a;
    column[1] = b;
    column[2] = c;
    writer.write(stream);
    return stream.GetPosition();
  };
  const auto first = write(1, 2, 3);
  const auto second = write(1, 2, 4);
  EXPECT_EQ(write(1, 2, 4), second + 1);
  EXPECT_EQ(write(1, 2, 3), second + 2);
  EXPECT_EQ(first, 12U);
  stream.Rewind();
  WordsReader reader(3);
  const std::vector<std::int64_t> last = {3, 4, 4, 3};
  for (const auto expected : last) {
    EXPECT_EQ(reader.read(stream)[2], expected);
  }
}

TEST(Words, BytesThatAreNoWordsAreRefused) {
  const auto refused = [](std::vector<std::uint8_t> bytes) {
    duckdb::MemoryStream stream(bytes.data(), bytes.size());
    EXPECT_THROW(WordsReader(2).read(stream), duckdb::SerializationException);
  };
  refused({});
  refused({1, 0, 0, 0, 0, 0, 0, 0, 0, 5});                 // one of two is missing
  refused({9, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 5});  // wider than a word
  refused({16});                                           // the same as what is not there
}

}  // namespace
}  // namespace millrace::sql
