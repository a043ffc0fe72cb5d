#include "base/log.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace millrace {
namespace {

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_writer([this](std::string_view line) { lines_ += line; });
  }
  void TearDown() override {
    set_log_writer({});
    set_log_level(LogLevel::info);
  }
  /// The line that was written, after its time: "INFO  text\n".
  std::string take() {
    const std::string line = lines_.substr(std::min<std::size_t>(lines_.size(), 13));
    lines_.clear();
    return line;
  }

  std::string lines_;
};

TEST_F(LogTest, LinesHaveTimeLevelAndFields) {
  const Log log = Log().with("pipeline", "orders");
  log.info("batch {} committed", 12);
  EXPECT_TRUE(lines_.size() > 13 && lines_[2] == ':' && lines_[5] == ':' && lines_[8] == '.')
      << lines_;
  EXPECT_EQ(take(), "INFO  pipeline=orders batch 12 committed\n");
  log.with("sink", "lake").warn("slow");
  EXPECT_EQ(take(), "WARN  pipeline=orders sink=lake slow\n");
  Log().error("no");
  EXPECT_EQ(take(), "ERROR no\n");
}

TEST_F(LogTest, LevelsAreRespected) {
  Log().debug("hidden");
  EXPECT_EQ(take(), "");
  set_log_level(LogLevel::debug);
  Log().debug("shown");
  EXPECT_EQ(take(), "DEBUG shown\n");
  set_log_level(LogLevel::off);
  Log().error("hidden");
  EXPECT_EQ(take(), "");
  EXPECT_EQ(log_level("warn"), LogLevel::warn);
  EXPECT_EQ(log_level("loud"), std::nullopt);
}

// A file name or a row that is logged must not look like a line of ours, or move the cursor.
TEST_F(LogTest, DataCannotForgeLines) {
  Log().info("{}", "a\n12:00:00.000 ERROR b\033[2J");
  EXPECT_EQ(take(), "INFO  a\n    12:00:00.000 ERROR b\\x1b[2J\n");
}

TEST(Clocks, ManualStandsStill) {
  ManualClock clock(5);
  clock.advance(std::chrono::milliseconds(2));
  EXPECT_EQ(clock.now_us(), 2005);
  clock.set(7);
  EXPECT_EQ(clock.now_us(), 7);
  EXPECT_GT(SystemClock().now_us(), 1'700'000'000'000'000);
}

}  // namespace
}  // namespace millrace
