#include "serve/breaker.h"

#include <gtest/gtest.h>

#include <latch>
#include <stdexcept>
#include <thread>

namespace millrace::serve {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

void away() { throw Error(Blame::external, "the system is away", Retry::yes); }

/// What a call through it throws; empty: nothing.
template <class Call>
std::string error_of(Breaker& breaker, const Call& call) {
  try {
    breaker(call);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(Breaker, AsksNobodyWhileTheSystemIsAway) {
  Breaker breaker{hours(1)};
  int calls = 0;
  EXPECT_EQ(error_of(breaker, [&] { calls++; }), "");
  EXPECT_EQ(error_of(breaker, away), "the system is away");
  EXPECT_EQ(error_of(breaker, [&] { calls++; }), "the system is away");
  EXPECT_EQ(calls, 1);
}

TEST(Breaker, FindsOutAfterEachPauseWhetherItIsBack) {
  Breaker breaker{milliseconds(0)};
  int calls = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(error_of(breaker,
                       [&] {
                         calls++;
                         away();
                       }),
              "the system is away");
  }
  EXPECT_EQ(error_of(breaker, [&] { calls++; }), "");
  EXPECT_EQ(calls, 4);
}

TEST(Breaker, IsNotTrippedByMistakesNorByWhoDoesNotWait) {
  Breaker breaker{hours(1)};
  int calls = 0;
  EXPECT_EQ(error_of(breaker, [] { throw Error(Blame::user, "no such column"); }),
            "no such column");
  EXPECT_THROW(breaker([] { throw Stopped(); }), Stopped);
  EXPECT_EQ(error_of(breaker, [] { throw std::runtime_error("odd"); }), "odd");
  EXPECT_EQ(error_of(breaker, [&] { calls++; }), "");
  EXPECT_EQ(calls, 1);
}

TEST(Breaker, OnlyOneTriesWhileItIsAway) {
  Breaker breaker{milliseconds(0)};
  EXPECT_NE(error_of(breaker, away), "");
  std::latch tries(1);
  std::latch told(1);
  std::jthread first([&] {
    breaker([&] {
      tries.count_down();
      told.wait();
    });
  });
  tries.wait();
  int calls = 0;
  EXPECT_EQ(error_of(breaker, [&] { calls++; }), "the system is away");
  told.count_down();
  first.join();
  EXPECT_EQ(error_of(breaker, [&] { calls++; }), "");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace millrace::serve
