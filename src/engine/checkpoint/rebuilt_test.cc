// State that was made anew: it counts from its snapshot on, and what is older never again.
#include "engine/checkpoint/test_support.h"

namespace millrace {
namespace {

class RebuiltTest : public CheckpointTest {
 protected:
  /// Writes the state "new" in place of what was committed.
  void rebuild() {
    Checkpoint checkpoint(options_for(home_), "orders");
    const auto story = recover(checkpoint);
    checkpoint.write_rebuilt({{"orders", story.position}}, Json(),
                             [](const Checkpoint::PutState& put) { put("totals", "new"); },
                             {{"totals"}, {{"sinks", "b"}}, story.recovered.unfinished});
  }
  /// As if the process had died before it wrote the description.
  void rebuild_half() {
    const auto before = content_of(home_ / "checkpoint.json");
    rebuild();
    overwrite(home_ / "checkpoint.json", before);
  }
};

TEST_F(RebuiltTest, ItIsWhatBatchesGoOnFrom) {
  run_batches(0, 3);
  rebuild();
  {
    Checkpoint checkpoint(options_for(home_), "orders");
    EXPECT_EQ(checkpoint.fingerprints(), Json({{"sinks", "b"}}));
    const auto story = recover(checkpoint);
    EXPECT_EQ(story.state, "new");
    EXPECT_EQ(story.position, 3);
    EXPECT_EQ(checkpoint.just_rebuilt(), std::vector<std::string>{"totals"});
    run_batch(checkpoint, 3);
    EXPECT_TRUE(checkpoint.just_rebuilt().empty());
  }
  const auto story = reopened();
  EXPECT_EQ(story.state, "new" + change_of(3));
  EXPECT_EQ(story.position, 4);
  EXPECT_FALSE(fs::exists(log(0)));
}

TEST_F(RebuiltTest, TakesThePlaceOfASnapshotOfTheSameBatch) {
  run_batches(0, 3);
  take_snapshot();
  rebuild();
  rebuild();
  EXPECT_EQ(reopened().state, "new");
}

TEST_F(RebuiltTest, TheSnapshotCountsEvenIfTheDescriptionIsOlder) {
  run_batches(0, 3);
  for (int time = 0; time < 2; time++) {
    rebuild_half();
    Checkpoint checkpoint(options_for(home_), "orders");
    EXPECT_EQ(checkpoint.fingerprints(), Json({{"sinks", "b"}}));
    EXPECT_EQ(recover(checkpoint).state, "new");
  }
  const auto text = content_of(home_ / "checkpoint.json");  // it has caught up
  EXPECT_NE(text.find("\"count\": 2"), std::string::npos) << text;
}

TEST_F(RebuiltTest, KeepsTheBatchThatWasNotCommitted) {
  run_batches(0, 3);
  {
    Checkpoint checkpoint(options_for(home_), "orders");
    (void)recover(checkpoint);
    checkpoint.log_offsets({3, 1003, {{"orders", {{"to", 4}}}}});
  }
  rebuild();
  const auto story = reopened();
  ASSERT_TRUE(story.recovered.unfinished);
  EXPECT_EQ(story.recovered.unfinished->batch, 3);
  EXPECT_EQ(story.recovered.unfinished->time_us, 1003);
}

TEST_F(RebuiltTest, OlderStateIsNotFallenBackTo) {
  run_batches(0, 2);
  take_snapshot();
  const auto older = content_of(snapshot_file(1));
  run_batches(2, 3);
  rebuild();
  overwrite(snapshot_file(1), older);
  auto damaged = content_of(snapshot_file(2));
  damaged[damaged.size() - 10] ^= 1;
  overwrite(snapshot_file(2), damaged);
  EXPECT_NE(error_of_reopening().find("of another query"), std::string::npos);
}

}  // namespace
}  // namespace millrace
