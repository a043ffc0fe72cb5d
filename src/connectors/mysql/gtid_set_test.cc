#include "connectors/mysql/gtid_set.h"

#include <gtest/gtest.h>

#include "connectors/mysql/binlog_position.h"

namespace millrace::mysql {
namespace {

const std::string kA = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const std::string kB = "4350f323-7565-4e59-8763-4b1b83a0ce0e";

TEST(GtidSetTest, IsReadAndWritten) {
  const auto set = GtidSet::parse(kB + ":1-5:8,\n" + kA + ":3:1-2");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->text(), kA + ":1-3," + kB + ":1-5:8");
  EXPECT_EQ(GtidSet::parse("")->text(), "");
  for (const auto* wrong :
       {"nonsense:1", ":1", "3e11fa47-71ca-11e1-9e33-c80aa9429562",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:0", "3e11fa47-71ca-11e1-9e33-c80aa9429562:5-3",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1", "0-1-100"}) {
    EXPECT_FALSE(GtidSet::parse(wrong)) << wrong;
  }
}

TEST(GtidSetTest, TransactionsFillGaps) {
  auto set = *GtidSet::parse(kA + ":1-3:7");
  GtidSet::Server server{};
  const auto other = *GtidSet::parse("00000000-0000-0000-0000-000000000000:9");
  set.add(server, 9);
  EXPECT_TRUE(set.contains(other));
  EXPECT_FALSE(other.contains(set));
  EXPECT_TRUE(set.contains(*GtidSet::parse(kA + ":2-3")));
  EXPECT_FALSE(set.contains(*GtidSet::parse(kA + ":2-4")));
  EXPECT_FALSE(set.contains(*GtidSet::parse(kB + ":1")));
}

TEST(GtidSetTest, IsEncodedAsTheProtocolHasIt) {
  const auto bytes = GtidSet::parse("00000000-0000-0000-0000-000000000001:1-4")->encoded();
  ASSERT_EQ(bytes.size(), 8U + 16 + 8 + 16);
  EXPECT_EQ(bytes[0], 1);
  EXPECT_EQ(bytes[23], 1);
  EXPECT_EQ(bytes[24], 1);
  EXPECT_EQ(bytes[32], 1);
  EXPECT_EQ(bytes[40], 5);  // behind the last one
}

TEST(BinlogPositionTest, TransactionsCountMoreThanFiles) {
  const BinlogPosition here{.gtid = kA + ":1-9", .file = "a.000001", .offset = 4};
  const BinlogPosition there{.gtid = kA + ":1-8", .file = "b.000007", .offset = 999};
  EXPECT_TRUE(here.has_reached(there));
  EXPECT_FALSE(there.has_reached(here));
  const BinlogPosition maria{.gtid = "0-1-10,2-1-5", .file = "a.000001", .offset = 4};
  const BinlogPosition later{.gtid = "0-2-11,2-1-5", .file = "a.000001", .offset = 4};
  EXPECT_TRUE(later.has_reached(maria));
  EXPECT_FALSE(maria.has_reached(later));
  const BinlogPosition plain{.file = "a.000001", .offset = 5};
  EXPECT_TRUE(plain.has_reached(here));
  BinlogPosition passing{.gtid = kA + ":1-9"};
  GtidSet::Server zero{};
  passing.pass(zero, 3);
  EXPECT_EQ(passing.gtid, "00000000-0000-0000-0000-000000000000:3," + kA + ":1-9");
}

}  // namespace
}  // namespace millrace::mysql
