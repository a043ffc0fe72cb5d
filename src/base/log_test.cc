#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

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
    set_log_format(LogFormat::text);
  }
  /// What was written, after the time of its first line: "INFO  text\n".
  std::string take() {
    const std::string line = lines_.substr(std::min(lines_.size(), lines_.find(' ') + 1));
    lines_.clear();
    return line;
  }

  std::string lines_;
};

TEST_F(LogTest, LinesHaveTimeLevelAndFields) {
  const Log log = Log().with("pipeline", "orders");
  log.info("batch {} committed", 12);
  EXPECT_EQ(take(), "INFO  pipeline=orders batch 12 committed\n");
  log.with("sink", "lake").warn("slow");
  EXPECT_EQ(take(), "WARN  pipeline=orders sink=lake slow\n");
  log.with("pipeline", "sales").warn("late");
  EXPECT_EQ(take(), "WARN  pipeline=sales late\n");
  Log().error("no");
  EXPECT_EQ(take(), "ERROR no\n");
}

// Who logs deep inside does not know the pipeline; who runs it says so once.
TEST_F(LogTest, ScopesNameWhatAllLinesOfAThreadAreAbout) {
  std::optional<Log> kept;
  {
    const LogScope pipeline("pipeline", "orders");
    const LogScope source("source", "topic");
    Log().with("pipeline", "orders").info("here");
    EXPECT_EQ(take(), "INFO  pipeline=orders source=topic here\n");
    kept.emplace();
  }
  Log().info("outside");
  EXPECT_EQ(take(), "INFO  outside\n");
  std::thread([&] {
    Log().info("of another thread");
    kept->info("that was made there");
  }).join();
  EXPECT_EQ(take().substr(0, 23), "INFO  of another thread");
  kept->info("later");
  EXPECT_EQ(take(), "INFO  pipeline=orders source=topic later\n");
}

TEST_F(LogTest, JsonLinesHaveTimeLevelFieldsAndMessage) {
  set_log_format(LogFormat::json);
  Log().with("pipeline", "orders").warn("a \"b\"\nc {}", std::string_view("\xff\x1b", 2));
  const auto line = nlohmann::json::parse(lines_);
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["pipeline"], "orders");
  EXPECT_EQ(line["message"], "a \"b\"\nc \\xff\x1b");
  EXPECT_EQ(line["time"].get<std::string>().size(), 24U);
  EXPECT_EQ(std::ranges::count(lines_, '\n'), 1);
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
