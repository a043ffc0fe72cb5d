#include "engine/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "engine/checkpoint/files.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A pipeline in small: its state is the text of all changes so far, its position a number.
struct Story {
  std::string state;
  std::int64_t position = 0;
  std::vector<std::int64_t> committed;
  Recovered recovered;

  bool operator==(const Story& other) const {
    return state == other.state && position == other.position &&
           recovered.last_committed == other.recovered.last_committed;
  }
};

std::string change_of(std::int64_t batch) { return "<" + std::to_string(batch) + ">"; }

Story story_of(std::int64_t batches) {
  Story story;
  for (std::int64_t batch = 0; batch < batches; batch++) {
    story.state += change_of(batch);
    story.position = batch + 1;
    story.recovered.last_committed = batch;
  }
  return story;
}

Checkpoint::Options options_for(const fs::path& path) {
  // Without sync: what is tested is what the files hold, and thousands of syncs take minutes.
  return {.path = path.string(),
          .sync = false,
          .snapshot_interval = std::chrono::hours(1),
          .snapshot_log_bytes = INT64_MAX};
}

Story recover(Checkpoint& checkpoint) {
  Story story;
  RecoveryVisitor visitor;
  visitor.positions = [&](const std::map<std::string, Json>& positions) {
    story.position = positions.at("orders");
  };
  visitor.state = [&](const std::string& dataset, const NextPiece& next) {
    EXPECT_EQ(dataset, "totals");
    std::string piece;
    while (next(piece)) {
      story.state += piece;
    }
  };
  visitor.committed = [&](const LoggedBatch& batch) {
    story.committed.push_back(batch.batch);
    story.position = batch.slices.at("orders").at("to");
  };
  story.recovered = checkpoint.recover(visitor);
  return story;
}

void run_batch(Checkpoint& checkpoint, std::int64_t batch) {
  checkpoint.log_offsets({batch, 1000 + batch, {{"orders", {{"to", batch + 1}}}}});
  checkpoint.log_state(batch, "totals", change_of(batch).substr(0, 1));
  checkpoint.log_state(batch, "totals", change_of(batch).substr(1));
  checkpoint.log_commit(batch, {{"rows", batch}});
}

void snapshot(Checkpoint& checkpoint, const Story& story) {
  checkpoint.write_snapshot({{"orders", story.position}}, [&](const Checkpoint::PutState& put) {
    put("totals", story.state.substr(0, story.state.size() / 2));
    put("totals", story.state.substr(story.state.size() / 2));
  });
}

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const fs::path& file, std::string_view content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc).write(content.data(), content.size());
}

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_writer([](std::string_view) {});
    // In memory if there is such a place: a disk flushes whenever a file is cut and written anew.
    const fs::path where = fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    std::string name = (where / "millrace-checkpoint-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    home_ = folder_ / "ck";
  }
  void TearDown() override {
    fs::remove_all(folder_);
    set_log_writer({});
  }

  /// Batches [from, to) in a checkpoint that may have others already.
  void run_batches(std::int64_t from, std::int64_t to) {
    Checkpoint checkpoint(options_for(home_), "orders");
    (void)recover(checkpoint);
    checkpoint.set_fingerprints({{"sinks", "a"}});
    for (auto batch = from; batch < to; batch++) {
      run_batch(checkpoint, batch);
    }
  }
  void take_snapshot() {
    Checkpoint checkpoint(options_for(home_), "orders");
    const auto story = recover(checkpoint);
    snapshot(checkpoint, story);
  }
  Story reopened() {
    Checkpoint checkpoint(options_for(home_), "orders");
    return recover(checkpoint);
  }
  std::string error_of_reopening() {
    try {
      (void)reopened();
    } catch (const Error& error) {
      EXPECT_NE(error.blame(), Blame::internal) << error.what();
      return error.what();
    }
    return {};
  }
  [[nodiscard]] fs::path log(std::int64_t first) const {
    return checkpoint_files::log_path(home_.string(), first);
  }
  [[nodiscard]] fs::path snapshot_file(std::int64_t batch) const {
    return checkpoint_files::snapshot_path(home_.string(), batch);
  }
  /// A fresh copy of the checkpoint, to be damaged.
  void restore_from(const fs::path& copy) {
    fs::remove_all(home_);
    fs::copy(copy, home_, fs::copy_options::recursive);
  }

  fs::path folder_;
  fs::path home_;
};

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
    checkpoint.log_state(2, "totals", "half a batch");
    checkpoint.abandon();
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
  checkpoint.log_state(2, "totals", change_of(2));
  checkpoint.log_commit(2, Json::object());
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
      checkpoint.log_state(batches, "totals", change_of(batches));
      checkpoint.log_commit(batches, Json::object());
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
    checkpoint.log_state(2, "totals", change_of(2));
    checkpoint.log_commit(2, Json::object());
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
    checkpoint.write_snapshot({{"orders", 2}}, [](const Checkpoint::PutState& put) {
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
  checkpoint.log_state(9, "totals", "not committed");
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
