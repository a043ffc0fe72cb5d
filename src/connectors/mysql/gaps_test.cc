#include "connectors/mysql/gaps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace millrace::mysql {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Range = Gaps::Range;

TEST(GapsTest, AreCutByNumbersThatCome) {
  Gaps gaps;
  EXPECT_TRUE(gaps.add({10, 20, 5}));
  EXPECT_TRUE(gaps.add({30, 30, 6}));
  EXPECT_TRUE(gaps.contains(10));
  EXPECT_TRUE(gaps.contains(20));
  EXPECT_FALSE(gaps.contains(21));
  gaps.remove(15);
  gaps.remove(10);
  gaps.remove(20);
  gaps.remove(25);  // is in none
  EXPECT_THAT(gaps.all(), ElementsAre(Range{11, 14, 5}, Range{16, 19, 5}, Range{30, 30, 6}));
  gaps.remove(30);
  EXPECT_THAT(gaps.all(), ElementsAre(Range{11, 14, 5}, Range{16, 19, 5}));
}

TEST(GapsTest, AreGivenUpInTime) {
  Gaps gaps;
  EXPECT_TRUE(gaps.add({1, 2, 100}));
  EXPECT_TRUE(gaps.add({5, 5, 200}));
  EXPECT_THAT(gaps.take_older_than(100), IsEmpty());
  EXPECT_THAT(gaps.take_older_than(101), ElementsAre(Range{1, 2, 100}));
  EXPECT_THAT(gaps.all(), ElementsAre(Range{5, 5, 200}));
}

TEST(GapsTest, SurviveACheckpoint) {
  Gaps gaps;
  EXPECT_TRUE(gaps.add({Gaps::kLowest, 4, 1}));
  EXPECT_TRUE(gaps.add({7, 9, 2}));
  EXPECT_EQ(Gaps(gaps.to_json()).all(), gaps.all());
}

TEST(GapsTest, AreBounded) {
  Gaps gaps;
  for (std::int64_t i = 0; i < 12'000; ++i) {
    EXPECT_EQ(gaps.add({2 * i, 2 * i, 0}), std::cmp_less(i, Gaps::kMax));
  }
  EXPECT_EQ(gaps.all().size(), Gaps::kMax);
  EXPECT_FALSE(gaps.contains(0));
  EXPECT_TRUE(gaps.contains(2 * 11'999));
}

TEST(GapsTest, AreShownInShort) {
  EXPECT_EQ(text_of({{17, 17, 0}, {20, 25, 0}, {30, 31, 0}}, 2), "17, 20-25 and 1 more ranges");
  EXPECT_EQ(count_of({{17, 17, 0}, {20, 25, 0}}), 7);
}

}  // namespace
}  // namespace millrace::mysql
