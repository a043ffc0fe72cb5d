#include "runtime/backoff.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, GrowsUpToALongestPause) {
  Backoff backoff({.first = 1s, .longest = 10s, .well = 60s});
  for (const auto want : {1s, 2s, 4s, 8s, 10s, 10s}) {
    EXPECT_EQ(backoff.pause_after(0ms), want);
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(backoff.pause_after(0ms), 10s);
  }
}

TEST(Backoff, IsShortAgainAfterAWhileThatWentWell) {
  Backoff backoff({.first = 1s, .longest = 10s, .well = 60s});
  EXPECT_EQ(backoff.pause_after(0ms), 1s);
  EXPECT_EQ(backoff.pause_after(59s), 2s);
  EXPECT_EQ(backoff.pause_after(60s), 1s);
  EXPECT_EQ(backoff.pause_after(0ms), 2s);
}

}  // namespace
}  // namespace millrace
