// A pipeline in small, for the tests of its checkpoint.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/files.h"

namespace millrace {

namespace fs = std::filesystem;

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

inline std::string change_of(std::int64_t batch) { return "<" + std::to_string(batch) + ">"; }

inline Story story_of(std::int64_t batches) {
  Story story;
  for (std::int64_t batch = 0; batch < batches; batch++) {
    story.state += change_of(batch);
    story.position = batch + 1;
    story.recovered.last_committed = batch;
  }
  return story;
}

inline Checkpoint::Options options_for(const fs::path& path) {
  // Without sync: what is tested is what the files hold, and thousands of syncs take minutes.
  return {.path = path.string(),
          .sync = false,
          .snapshot_interval = std::chrono::hours(1),
          .snapshot_log_bytes = INT64_MAX};
}

inline Story recover(Checkpoint& checkpoint) {
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

/// A batch's changes, as log_commit() takes them.
inline std::string states_of(std::int64_t batch) {
  std::string states;
  Checkpoint::append_state(states, batch, "totals", change_of(batch));
  return states;
}

inline void run_batch(Checkpoint& checkpoint, std::int64_t batch) {
  checkpoint.log_offsets({batch, 1000 + batch, {{"orders", {{"to", batch + 1}}}}});
  std::string states;
  Checkpoint::append_state(states, batch, "totals", change_of(batch).substr(0, 1));
  Checkpoint::append_state(states, batch, "totals", change_of(batch).substr(1));
  checkpoint.log_commit(batch, std::move(states), {{"rows", batch}});
}

inline void snapshot(Checkpoint& checkpoint, const Story& story) {
  checkpoint.write_snapshot({{"orders", story.position}}, Json(),
                            [&](const Checkpoint::PutState& put) {
                              put("totals", story.state.substr(0, story.state.size() / 2));
                              put("totals", story.state.substr(story.state.size() / 2));
                            });
  checkpoint.check_snapshot(/*wait=*/true);
}

inline std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void overwrite(const fs::path& file, std::string_view content) {
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

}  // namespace millrace
