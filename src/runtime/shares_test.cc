#include "runtime/shares.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/test_folder.h"

namespace millrace {
namespace {

constexpr std::int64_t kGiB = 1LL << 30;

TEST(Shares, WhatIsLeftOfTheMemoryIsDividedEvenly) {
  const std::vector<Share> own{{}, {.threads = 0, .memory_bytes = 4 * kGiB}, {}};
  EXPECT_EQ(share_out({.threads = 8, .memory_bytes = 10 * kGiB}, own),
            (std::vector<Share>{{6, 3 * kGiB}, {6, 4 * kGiB}, {6, 3 * kGiB}}));
}

TEST(Shares, OnePipelineHasEverything) {
  EXPECT_EQ(share_out({.threads = 8, .memory_bytes = 10 * kGiB}, std::vector<Share>(1)),
            (std::vector<Share>{{8, 10 * kGiB}}));
}

TEST(Shares, ManyHaveAThreadAndTheLeastMemoryEach) {
  const auto shares = share_out({.threads = 2, .memory_bytes = kGiB}, std::vector<Share>(100));
  EXPECT_EQ(shares.front(), (Share{.threads = 1, .memory_bytes = kLeastMemory}));
  EXPECT_EQ(shares.size(), 100U);
}

TEST(Shares, OwnLimitsMayLeaveNothing) {
  const std::vector<Share> own{{.threads = 3, .memory_bytes = 20 * kGiB}, {}};
  EXPECT_EQ(share_out({.threads = 8, .memory_bytes = 10 * kGiB}, own),
            (std::vector<Share>{{3, 20 * kGiB}, {8, kLeastMemory}}));
}

TEST(Shares, NoPipelinesNoShares) { EXPECT_TRUE(share_out({2, kGiB}, {}).empty()); }

TEST(Shares, AFifthOfTheMemoryIsLeftToTheRest) {
  EXPECT_EQ(usual_share({.threads = 8, .memory_bytes = 10 * kGiB}),
            (Share{.threads = 8, .memory_bytes = 8 * kGiB}));
}

class MachineTest : public testing::Test {
 protected:
  MachineTest() { put("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n"); }
  void put(const std::string& path, const std::string& text) {
    make_folders(folder_of(root_ + "/" + path), false);
    write_file_atomically(root_ + "/" + path, text, false);
  }
  [[nodiscard]] Share machine() const { return this_machine(root_ + "/proc", root_ + "/cgroups"); }

  TempFolder temporary_;
  std::string root_ = temporary_.path();
};

TEST_F(MachineTest, HasItsMemoryAndCores) {
  EXPECT_EQ(machine().memory_bytes, 16 * kGiB);
  EXPECT_GE(machine().threads, 1);
}

TEST_F(MachineTest, LimitsOfControlGroupsHold) {
  put("proc/self/cgroup", "0::/system.slice/millrace.service\n");
  put("cgroups/system.slice/millrace.service/memory.max", "max\n");
  put("cgroups/system.slice/memory.max", "4294967296\n");
  put("cgroups/system.slice/millrace.service/cpu.max", "50000 100000\n");
  EXPECT_EQ(machine(), (Share{.threads = 1, .memory_bytes = 4 * kGiB}));
}

TEST_F(MachineTest, AContainerSeesItsGroupAsTheRoot) {
  put("proc/self/cgroup", "0::/\n");
  put("cgroups/memory.max", "2147483648\n");
  put("cgroups/cpu.max", "max 100000\n");
  EXPECT_EQ(machine().memory_bytes, 2 * kGiB);
}

}  // namespace
}  // namespace millrace
