#include "control/history.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"

namespace millrace::control {
namespace {

std::shared_ptr<const BatchProgress> batch(std::int64_t n) {
  BatchProgress progress;
  progress.pipeline = "p";
  progress.batch = n;
  progress.input_rows = 10 * n;
  return std::make_shared<const BatchProgress>(progress);
}

class HistoryTest : public testing::Test {
 protected:
  [[nodiscard]] std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      sum += static_cast<std::int64_t>(entry.file_size());
    }
    return sum;
  }
  TempFolder temporary_;
  std::string folder_ = temporary_.path();
};

void add(History& history, std::int64_t from, std::int64_t to) {
  for (auto n = from; n < to; n++) {
    history.add(batch(n));
    history.flush();
  }
}

TEST_F(HistoryTest, IsThereAfterARestartAndBounded) {
  const HistoryOptions options{.batches = 100, .details = 20, .events = 10};
  {
    History history(options);
    history.open(folder_);
    add(history, 0, 300);
  }
  const auto size = bytes();
  History history(options);
  history.open(folder_);
  EXPECT_EQ(history.newest(), 299);
  EXPECT_EQ(history.oldest(), 200);
  EXPECT_EQ(history.detail(100).error(), History::Missing::expired);
  EXPECT_EQ(history.detail(300).error(), History::Missing::future);
  ASSERT_TRUE(history.detail(280).has_value());
  EXPECT_EQ(Json::parse(**history.detail(280)).at("n"), 280);
  EXPECT_EQ(history.lines(250, 259).size(), 10U);
  add(history, 300, 1000);
  EXPECT_LT(bytes(), size * 3 / 2);
}

TEST_F(HistoryTest, DamageIsPassedOver) {
  {
    History history({});
    history.open(folder_);
    add(history, 0, 10);
  }
  const auto path = folder_ + "/batches-000000000001.log";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
  History history({});
  history.open(folder_);
  EXPECT_EQ(history.newest(), 8);
  add(history, 10, 11);
  EXPECT_EQ(history.newest(), 10);
}

TEST_F(HistoryTest, ABatchThatIsRunAgainTakesThePlaceOfTheOneThatFailed) {
  History history({});
  add(history, 0, 3);
  auto failed = std::make_shared<BatchProgress>(*batch(3));
  failed->failure = BatchFailure{.message = "gone"};
  history.add(failed);
  history.flush();
  EXPECT_EQ(Json::parse(*history.line(3)).at("ok"), false);
  add(history, 3, 4);
  EXPECT_EQ(Json::parse(*history.line(3)).at("ok"), true);
  EXPECT_EQ(history.last(10).size(), 4U);
}

TEST_F(HistoryTest, EventsComeBack) {
  const LogEvent event{.id = 7,
                       .at_ms = 1,
                       .level = "warn",
                       .pipeline = "p",
                       .batch = 3,
                       .kind = "log",
                       .text = "look"};
  {
    History history({});
    history.open(folder_);
    history.add(event);
  }
  History history({});
  const auto events = history.open(folder_);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(event_json(events[0]), event_json(event));
}

}  // namespace
}  // namespace millrace::control
