#include "engine/work_shares.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;

const WorkShares::Time kBegan{1h};

TEST(WorkShares, TimeIsDividedByWorkAndNotTwice) {
  WorkShares shares(3, 1);
  shares.begin(kBegan);
  // 0 feeds 1, which feeds 2, which gives to the sink: each time holds those of the next ones.
  shares.add_sink(2, 0, 10'000);
  shares.add_dataset(1, 2, 30'000);
  shares.add_dataset(0, 1, 100'000);
  WorkShares::Section section;
  section.add(kBegan + 50us, kBegan + 200us);
  EXPECT_EQ(shares.end_run(0, section), 100);
  EXPECT_EQ(shares.dataset(1).us, 70);
  EXPECT_EQ(shares.dataset(2).us, 20);
  EXPECT_EQ(shares.sink(0).us, 10);
  EXPECT_EQ(shares.dataset(0).us, 0);  // its own time is that of its run, less what it lent
  EXPECT_EQ(shares.dataset(1).start_us, 50);
}

TEST(WorkShares, OfSeveralThreadsTheTimeThatPassed) {
  WorkShares shares(2, 0);
  shares.begin(kBegan);
  WorkShares::Section section;
  for (int thread = 0; thread < 4; thread++) {
    shares.add_dataset(0, 1, 1'000'000);
    section.add(kBegan, kBegan + 2ms);
  }
  EXPECT_DOUBLE_EQ(section.parallel(), 4);
  EXPECT_EQ(shares.end_run(0, section), 1000);
  EXPECT_EQ(shares.dataset(1).us, 1000);
}

TEST(WorkShares, SeveralRunsAddUpAndABatchBeginsAnew) {
  WorkShares shares(2, 0);
  shares.begin(kBegan);
  for (int run = 0; run < 3; run++) {
    shares.add_dataset(0, 1, 5'000);
    WorkShares::Section section;
    section.add(kBegan + run * 1ms, kBegan + run * 1ms + 10us);
    EXPECT_EQ(shares.end_run(0, section), 5);
  }
  EXPECT_EQ(shares.dataset(1).us, 15);
  EXPECT_EQ(shares.dataset(1).start_us, 0);
  shares.begin(kBegan);
  EXPECT_EQ(shares.dataset(1).us, 0);
}

TEST(WorkShares, ARunWithoutRowsHasNothingToShare) {
  WorkShares shares(1, 0);
  shares.begin(kBegan);
  EXPECT_EQ(shares.end_run(0, {}), 0);
}

}  // namespace
}  // namespace millrace
