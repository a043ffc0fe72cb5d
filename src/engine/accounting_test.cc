#include "engine/accounting.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace millrace {
namespace {

DatasetCounts counted() {
  DatasetCounts counts;
  counts.name = "hourly";
  counts.given = counts.in = 10;
  counts.absorbed = 7;
  for (int i = 0; i < 3; ++i) {
    counts.late.count(1);
  }
  counts.late_whole = 3;
  return counts;
}

std::string complaint(const DatasetCounts& counts) {
  try {
    check_accounts(4, {counts}, {});
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::internal);
    return error.what();
  }
}

TEST(Accounting, LateRowsAreAllGivenToTheirSinks) {
  DatasetCounts counts = counted();
  EXPECT_EQ(complaint(counts), "");  // nobody takes them
  counts.late_given = 3;
  EXPECT_EQ(complaint(counts), "");
  counts.late_given = 2;
  EXPECT_TRUE(complaint(counts).contains("found 3 rows late and gave 2 of them"))
      << complaint(counts);
}

TEST(Accounting, RowsAddUp) {
  DatasetCounts counts = counted();
  counts.absorbed = 6;
  EXPECT_TRUE(complaint(counts).contains("don't add up")) << complaint(counts);
}

}  // namespace
}  // namespace millrace
