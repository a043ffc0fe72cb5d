// Reading a checkpoint beside the pipeline that writes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/files.h"
#include "engine/checkpoint/test_support.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

class ReadStatesTest : public CheckpointTest {
 protected:
  /// Reads the states as `millrace query` does.
  Story read() {
    Story story;
    const StateVisitor visitor{.begin =
                                   [&] {
                                     story.state.clear();
                                     begun_++;
                                   },
                               .state =
                                   [&](const std::string&, const NextPiece& next) {
                                     if (before_state) {
                                       before_state();
                                     }
                                     for (std::string piece; next(piece);) {
                                       story.state += piece;
                                     }
                                   }};
    if (const auto last = read_states(home_.string(), "orders", visitor)) {
      story.recovered.last_committed = last->batch;
      story.position = last->slices.at("orders").at("to");
      EXPECT_EQ(last->time_us, 1000 + last->batch);
    }
    return story;
  }

  std::function<void()> before_state;
  int begun_ = 0;
};

TEST_F(ReadStatesTest, AsOfTheLastCommitBesideAPipeline) {
  Checkpoint checkpoint(options_for(home_), "orders");
  auto story = recover(checkpoint);
  EXPECT_EQ(read(), Story{});
  for (std::int64_t batch = 0; batch < 9; batch++) {
    run_batch(checkpoint, batch);
    story = story_of(batch + 1);
    EXPECT_EQ(read(), story) << batch;
    if (batch % 2 == 1) {
      snapshot(checkpoint, story);
      EXPECT_EQ(read(), story) << batch;  // all from the snapshot, but for the batch's time
    }
  }
  checkpoint.log_offsets({9, 5, {{"orders", {{"to", 10}}}}});
  EXPECT_EQ(read(), story);
  const auto segment = log(8);
  const auto before = content_of(segment);
  std::ofstream(segment, std::ios::app) << "mrec half a record";
  EXPECT_EQ(read(), story);
  EXPECT_EQ(content_of(segment), before + "mrec half a record");  // nothing is mended here
  EXPECT_EQ(begun_, 16);
}

// The pipeline removes what is being read: the snapshot after it was found, the log behind it.
TEST_F(ReadStatesTest, BeginsAnewIfFilesGoAway) {
  Checkpoint checkpoint(options_for(home_), "orders");
  (void)recover(checkpoint);
  std::int64_t batches = 0;
  const auto go_on = [&] {
    for (int i = 0; i < 2; i++) {
      run_batch(checkpoint, batches++);
      snapshot(checkpoint, story_of(batches));
    }
  };
  go_on();
  run_batch(checkpoint, batches++);
  int disturbed = 0;
  before_state = [&] {
    if (disturbed < 3) {
      disturbed++;
      go_on();
    }
  };
  const auto story = read();
  EXPECT_EQ(story, story_of(batches));
  EXPECT_EQ(disturbed, 3);
  EXPECT_GT(begun_, 1);
}

TEST_F(ReadStatesTest, DamageAndOtherPipelinesAreErrors) {
  run_batches(0, 3);
  auto bytes = content_of(log(0));
  bytes[bytes.size() / 2] ^= 1;
  const auto whole = content_of(log(0));
  overwrite(log(0), bytes);
  try {
    (void)read();
    FAIL() << "took damage for data";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(log(0).string()));
  }
  overwrite(log(0), whole);
  EXPECT_THROW((void)read_states(home_.string(), "payments", {}), Error);
}

TEST_F(CheckpointTest, CanBeLookedAtWhileItIsInUse) {
  Checkpoint checkpoint(options_for(home_), "orders");
  (void)recover(checkpoint);
  run_batch(checkpoint, 0);
  checkpoint.log_offsets({1, 5, {{"orders", {{"to", 9}}}}});
  std::ofstream(log(0), std::ios::app) << "mrec half a record";
  const auto view = view_checkpoint(home_.string());
  EXPECT_EQ(view.description.at("pipeline"), "orders");
  ASSERT_EQ(view.batches.size(), 2U);
  EXPECT_EQ(view.batches[1].slices.at("orders").at("to"), 9);
  EXPECT_EQ(view.commits.at(0).at("rows"), 0);
  EXPECT_EQ(view.commits.count(1), 0U);
  EXPECT_EQ(view.logs.size(), 1U);
  EXPECT_THAT(view.note, HasSubstr("unfinished or damaged"));
}

}  // namespace
}  // namespace millrace
