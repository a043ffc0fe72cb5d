#include "formats/lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace millrace::formats {
namespace {

/// A text, of which each read gives a few bytes.
ReadBytes pieces_of(std::string text, std::size_t bytes) {
  return [text = std::move(text), bytes, at = std::size_t{0}](char* to, std::size_t room) mutable {
    const auto got = text.copy(to, std::min(room, bytes), at);
    at += got;
    return got;
  };
}

struct Found {
  std::int64_t number = 0;
  int part = 0;
  std::string text;
  bool operator==(const Found&) const = default;
};

std::vector<Found> lines_of(const std::string& text, std::size_t bytes,
                            std::int64_t max_bytes = 100) {
  Lines lines(pieces_of(text, bytes), max_bytes);
  std::vector<Found> all;
  Lines::Line line;
  while (lines.next(line)) {
    all.push_back({line.number, line.part, std::string(line.text)});
  }
  return all;
}

TEST(LinesTest, AreWithoutTheirEnds) {
  const std::vector<Found> want{{1, 0, "a"}, {2, 0, ""}, {3, 0, "bc"}, {4, 0, "d"}};
  for (const std::size_t bytes : {1U, 2U, 3U, 100U}) {
    EXPECT_EQ(lines_of(std::string("\xEF\xBB\xBF") + "a\n\r\nbc\r\nd", bytes), want);
    EXPECT_EQ(lines_of("a\n\nbc\nd\n", bytes), want);
    EXPECT_EQ(lines_of("", bytes), std::vector<Found>());
  }
  EXPECT_THROW((void)lines_of("\xFF\xFEx", 1), Error);
}

// Not cut within a character, nor within CRLF, and with the number of the line.
TEST(LinesTest, TooLongOnesComeInParts) {
  std::string longer;
  for (int i = 0; i < 3'000'000; ++i) {
    longer += i % 3 == 0 ? "x" : "ä";
  }
  for (const auto* const end : {"\n", "\r\n"}) {
    const auto found = lines_of("first\n" + longer + end + "last", 1 << 16, 1 << 20);
    ASSERT_GE(found.size(), 4U);
    EXPECT_EQ(found.front(), (Found{1, 0, "first"}));
    EXPECT_EQ(found.back(), (Found{3, 0, "last"}));
    std::string joined;
    for (std::size_t i = 1; i + 1 < found.size(); ++i) {
      EXPECT_EQ(found[i].number, 2);
      EXPECT_EQ(found[i].part, static_cast<int>(i));
      EXPECT_NE(static_cast<unsigned char>(found[i].text[0]) & 0xC0U, 0x80U);
      joined += found[i].text;
    }
    EXPECT_EQ(joined, longer);
  }
}

}  // namespace
}  // namespace millrace::formats
