#include "engine/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/checkpoint/files.h"
#include "engine/checkpoint/test_support.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(CheckpointTest, BeginsEmpty) {
  const auto story = reopened();
  EXPECT_EQ(story.recovered.last_committed, std::nullopt);
  EXPECT_FALSE(story.recovered.unfinished);
  EXPECT_EQ(story, Story{});
}

TEST_F(CheckpointTest, GivesBackCommittedBatchesInOrder) {
  run_batches(0, 3);
  const auto story = reopened();
  EXPECT_EQ(story, story_of(3));
  EXPECT_EQ(story.committed, (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_FALSE(story.recovered.unfinished);
}

// The repeat must see the same offsets and the same now(), and none of the first attempt's state.
TEST_F(CheckpointTest, GivesBackTheOffsetsOfAnUnfinishedBatch) {
  run_batches(0, 2);
  {
    Checkpoint checkpoint(options_for(home_), "orders");
    (void)recover(checkpoint);
    checkpoint.log_offsets({2, 777, {{"orders", {{"to", 3}}}}});
  }
  for (int attempt = 0; attempt < 2; attempt++) {
    const auto story = reopened();
    EXPECT_EQ(story, story_of(2));
    ASSERT_TRUE(story.recovered.unfinished);
    EXPECT_EQ(story.recovered.unfinished->batch, 2);
    EXPECT_EQ(story.recovered.unfinished->time_us, 777);
    EXPECT_EQ(story.recovered.unfinished->slices.at("orders"), (Json{{"to", 3}}));
  }
  Checkpoint checkpoint(options_for(home_), "orders");
  (void)recover(checkpoint);
  checkpoint.log_commit(2, states_of(2), Json::object());
  run_batch(checkpoint, 3);
}

TEST_F(CheckpointTest, ContinuesFromASnapshotAndTheLogAfterIt) {
  run_batches(0, 3);
  take_snapshot();
  run_batches(3, 5);
  const auto story = reopened();
  EXPECT_EQ(story, story_of(5));
  EXPECT_EQ(story.recovered.snapshot, 2);
  EXPECT_EQ(story.committed, (std::vector<std::int64_t>{3, 4}));
}

// Any length a crash may leave the file with: never another story than that of a prefix.
TEST_F(CheckpointTest, ALogCutAtAnyByteIsAPrefixOfTheStory) {
  run_batches(0, 3);
  const auto copy = folder_ / "copy";
  fs::copy(home_, copy, fs::copy_options::recursive);
  const auto whole = content_of(log(0));
  std::int64_t before = 0;
  for (std::size_t size = 0; size < whole.size(); size++) {
    restore_from(copy);
    fs::resize_file(log(0), size);
    const auto story = reopened();
    const auto batches = static_cast<std::int64_t>(story.committed.size());
    ASSERT_EQ(story, story_of(batches)) << "cut at " << size;
    ASSERT_GE(batches, before) << "cut at " << size;
    before = batches;
    // The pipeline goes on: what it adds must not meet the torn bytes.
    Checkpoint checkpoint(options_for(home_), "orders");
    const auto again = recover(checkpoint);
    ASSERT_EQ(again, story);
    if (again.recovered.unfinished) {
      checkpoint.log_commit(batches, states_of(batches), Json::object());
    } else {
      run_batch(checkpoint, batches);
    }
  }
  EXPECT_EQ(before, 2);
}

TEST_F(CheckpointTest, WhatIsAddedAfterATornEndIsReadBack) {
  run_batches(0, 3);
  fs::resize_file(log(0), fs::file_size(log(0)) - 5);
  {
    Checkpoint checkpoint(options_for(home_), "orders");
    const auto story = recover(checkpoint);
    ASSERT_EQ(story, story_of(2));
    ASSERT_TRUE(story.recovered.unfinished);
    checkpoint.log_commit(2, states_of(2), Json::object());
    run_batch(checkpoint, 3);
  }
  EXPECT_EQ(reopened(), story_of(4));
}

// Each bit of each file: an error, a shorter story whose rest is run again, or no harm at all;
// never another story.
TEST_F(CheckpointTest, AFlippedBitIsNeverMisread) {
  run_batches(0, 2);
  take_snapshot();
  run_batches(2, 4);
  take_snapshot();
  run_batches(4, 6);
  const auto copy = folder_ / "copy";
  fs::copy(home_, copy, fs::copy_options::recursive);
  int errors = 0;
  int shorter = 0;
  int same = 0;
  for (const auto& entry : fs::recursive_directory_iterator(copy)) {
    if (!entry.is_regular_file() || entry.path().filename() == "LOCK") {
      continue;
    }
    const auto name = fs::relative(entry.path(), copy);
    const auto whole = content_of(entry.path());
    for (std::size_t bit = 0; bit < whole.size() * 8; bit++) {
      if (name.extension() != ".json" && bit % 8 != (bit / 8) % 8) {
        continue;  // checksummed bytes: one bit of each, another one each time
      }
      restore_from(copy);
      auto damaged = whole;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      overwrite(home_ / name, damaged);
      try {
        const auto story = reopened();
        const auto batches = story.recovered.last_committed.value_or(-1) + 1;
        ASSERT_EQ(story, story_of(batches)) << name << " bit " << bit;
        ASSERT_GE(batches, 5) << name << " bit " << bit;
        (batches == 6 ? same : shorter)++;
      } catch (const Error& error) {
        ASSERT_THAT(error.what(), HasSubstr(home_.string())) << name << " bit " << bit;
        errors++;
      }
    }
  }
  EXPECT_GT(errors, 100);
  EXPECT_GT(shorter, 50);  // the last write of the last log
  EXPECT_GT(same, 50);     // a snapshot, for which the older one serves
}

TEST_F(CheckpointTest, DamageInTheMiddleOfTheLogNamesFileAndByte) {
  run_batches(0, 3);
  auto bytes = content_of(log(0));
  const auto at = bytes.find("<1") == std::string::npos ? bytes.find('1', 200) : bytes.find("<1");
  bytes[at] ^= 1;
  overwrite(log(0), bytes);
  EXPECT_THAT(error_of_reopening(), AllOf(HasSubstr(log(0).string()), HasSubstr("at byte"),
                                          HasSubstr("remove it to start over")));
}

// A power cut may keep the end of a batch's write and lose its beginning.
TEST_F(CheckpointTest, APartlyKeptCommitWriteIsATornEnd) {
  run_batches(0, 2);
  const auto before = fs::file_size(log(0));
  run_batches(2, 3);
  auto bytes = content_of(log(0));
  const auto first_state = bytes.find("mrec", before + 4);  // after the offsets
  bytes.replace(first_state, 8, 8, '\0');
  overwrite(log(0), bytes);
  const auto story = reopened();
  EXPECT_EQ(story, story_of(2));
  ASSERT_TRUE(story.recovered.unfinished);
  EXPECT_EQ(story.recovered.unfinished->batch, 2);
}

TEST_F(CheckpointTest, ADamagedSnapshotFallsBackToTheOlderOne) {
  run_batches(0, 2);
  take_snapshot();
  run_batches(2, 4);
  take_snapshot();
  run_batches(4, 5);
  overwrite(snapshot_file(3), content_of(snapshot_file(3)).substr(0, 60));
  const auto story = reopened();
  EXPECT_EQ(story, story_of(5));
  EXPECT_EQ(story.recovered.snapshot, 1);
  // The damaged one is gone: it must not count as the fall-back of the next snapshot.
  EXPECT_FALSE(fs::exists(snapshot_file(3)));
  take_snapshot();
  EXPECT_TRUE(fs::exists(snapshot_file(1)));
  EXPECT_TRUE(fs::exists(snapshot_file(4)));
}

TEST_F(CheckpointTest, TwoDamagedSnapshotsAreAnError) {
  for (std::int64_t batch = 0; batch < 6; batch += 2) {
    run_batches(batch, batch + 2);
    take_snapshot();
  }
  overwrite(snapshot_file(3), "x");
  overwrite(snapshot_file(5), "x");
  EXPECT_THAT(error_of_reopening(),
              AllOf(HasSubstr(snapshot_file(5).string()), HasSubstr("start over")));
}

TEST_F(CheckpointTest, AMissingLogFileIsAnError) {
  run_batches(0, 2);
  const auto only = content_of(log(0));
  fs::remove(log(0));
  EXPECT_THAT(error_of_reopening(), AllOf(HasSubstr(log(0).string()), HasSubstr("missing")));
  overwrite(log(0), only);
  take_snapshot();
  run_batches(2, 4);
  fs::remove(log(2));
  EXPECT_THAT(error_of_reopening(), AllOf(HasSubstr(log(2).string()), HasSubstr("missing")));
}

TEST_F(CheckpointTest, AnotherVersionPipelineOrCheckpointIsRefused) {
  run_batches(0, 1);
  const auto description = home_ / "checkpoint.json";
  const auto text = content_of(description);
  overwrite(description, R"({"version": 99, "id": "x", "pipeline": "orders"})");
  EXPECT_THAT(error_of_reopening(), AllOf(HasSubstr("version 99"), HasSubstr("version 1")));
  overwrite(description, text);
  try {
    Checkpoint other(options_for(home_), "payments");
    FAIL() << "took another pipeline's checkpoint";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("orders"), HasSubstr("payments")));
  }
  const auto mine = content_of(log(0));
  fs::rename(home_, folder_ / "mine");
  run_batches(0, 1);
  overwrite(log(0), mine);
  EXPECT_THAT(error_of_reopening(), HasSubstr("another checkpoint"));
  fs::remove(description);
  EXPECT_THAT(error_of_reopening(), HasSubstr("checkpoint.json` is missing"));
}

TEST_F(CheckpointTest, ASecondProcessIsKeptOut) {
  Checkpoint mine(options_for(home_), "orders");
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      Checkpoint theirs(options_for(home_), "orders");
    } catch (const Error& error) {
      const bool names_pid =
          std::string(error.what()).find(std::to_string(::getppid())) != std::string::npos;
      ::_exit(names_pid ? 42 : 1);
    }
    ::_exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(CheckpointTest, StaysSmallOverTenThousandBatches) {
  auto options = options_for(home_);
  options.snapshot_log_bytes = 64 * 1024;
  Checkpoint checkpoint(options, "orders");
  auto story = recover(checkpoint);
  std::uintmax_t largest = 0;
  for (std::int64_t batch = 0; batch < 10'000; batch++) {
    run_batch(checkpoint, batch);
    story.position = batch + 1;
    story.state = "total of " + std::to_string(batch);
    if (checkpoint.snapshot_due()) {
      snapshot(checkpoint, story);
    }
    if (batch % 500 == 0) {
      std::uintmax_t size = 0;
      for (const auto& entry : fs::recursive_directory_iterator(home_)) {
        size += entry.is_regular_file() ? entry.file_size() : 0;
      }
      largest = std::max(largest, size);
    }
  }
  EXPECT_LT(largest, 3U * 64 * 1024);
}

TEST_F(CheckpointTest, LeftoversOfACrashedSnapshotGoAway) {
  run_batches(0, 1);
  overwrite(home_ / "snapshots" / "000000000000.snapshot.tmp", "half");
  EXPECT_EQ(reopened(), story_of(1));
  EXPECT_TRUE(fs::is_empty(home_ / "snapshots"));
}

// The log file after a snapshot is made first; a crash in between leaves it without its snapshot.
TEST_F(CheckpointTest, ACrashBetweenLogFileAndSnapshotDoesNoHarm) {
  run_batches(0, 2);
  take_snapshot();
  fs::remove(snapshot_file(1));
  EXPECT_EQ(reopened(), story_of(2));
  take_snapshot();  // of the same batch, whose log file is there already
  run_batches(2, 3);
  EXPECT_EQ(reopened(), story_of(3));
}

// A dataset that is gone from the pipeline: nobody wants what the snapshot has of it.
TEST_F(CheckpointTest, PiecesMayBeLeftUnread) {
  run_batches(0, 2);
  {
    Checkpoint checkpoint(options_for(home_), "orders");
    (void)recover(checkpoint);
    checkpoint.write_snapshot({{"orders", 2}}, Json(), [](const Checkpoint::PutState& put) {
      put("gone", "a");
      put("gone", "b");
      put("totals", "<0>");
      put("totals", "<1>");
    });
    run_batch(checkpoint, 2);
  }
  Checkpoint checkpoint(options_for(home_), "orders");
  std::string state;
  RecoveryVisitor visitor;
  visitor.positions = [](const auto&) {};
  visitor.state = [&](const std::string& dataset, const NextPiece& next) {
    std::string piece;
    while (dataset == "totals" && next(piece)) {
      state += piece;
    }
  };
  visitor.committed = [](const LoggedBatch&) {};
  (void)checkpoint.recover(visitor);
  EXPECT_EQ(state, story_of(3).state);
}

}  // namespace
}  // namespace millrace
