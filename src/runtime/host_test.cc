#include "runtime/host.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "base/test_folder.h"
#include "connectors/all.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

/// Keeps what a host tells, and waits for it.
class Seen final : public HostObserver {
 public:
  void batch_committed(const BatchProgress& progress) override {
    const std::lock_guard guard(lock_);
    batches_.push_back(progress.batch);
    rows_.push_back(progress.input_rows);
    changed_.notify_all();
  }
  void state_changed(const HostStatus& status) override {
    const std::lock_guard guard(lock_);
    states_.push_back(status);
    changed_.notify_all();
  }
  void phase_changed(std::int64_t /*batch*/, std::string_view phase) override {
    const std::lock_guard guard(lock_);
    phases_.emplace_back(phase);
  }
  bool wait_for(RunState state) {
    std::unique_lock guard(lock_);
    return changed_.wait_for(guard, 20s,
                             [&] { return !states_.empty() && states_.back().state == state; });
  }
  bool wait_for_batches(std::size_t count) {
    std::unique_lock guard(lock_);
    return changed_.wait_for(guard, 20s, [&] { return batches_.size() >= count; });
  }
  std::vector<std::int64_t> batches() {
    const std::lock_guard guard(lock_);
    return batches_;
  }
  std::vector<std::int64_t> rows() {
    const std::lock_guard guard(lock_);
    return rows_;
  }
  std::vector<std::string> phases() {
    const std::lock_guard guard(lock_);
    return phases_;
  }
  std::vector<HostStatus> states() {
    const std::lock_guard guard(lock_);
    return states_;
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<std::int64_t> batches_;
  std::vector<std::int64_t> rows_;
  std::vector<HostStatus> states_;
  std::vector<std::string> phases_;
};

class HostTest : public testing::Test {
 protected:
  HostTest() { std::filesystem::create_directory(folder_ + "/in"); }

  void write_file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/." + name) << text;
    std::filesystem::rename(folder_ + "/." + name, folder_ + "/in/" + name);
  }
  [[nodiscard]] PipelineHost::Options options(const std::string& trigger, bool stays = false,
                                              const std::string& sql = "SELECT * FROM rows") const {
    const auto path = folder_ + "/p.yaml";
    std::ofstream(path) << "pipeline: p\ntrigger: " << trigger
                        << "\nsources:\n  rows: { from: { type: files, path: in }, format: csv, "
                           "schema: id BIGINT, max_files_per_trigger: 1 }\n"
                           "datasets:\n  d: { sql: "
                        << sql << " }\nsinks:\n  out: { from: d, to: blackhole }\n";
    return {.name = "p",
            .load = [this, path](Diagnostics& d) { return load_pipeline(path, connectors_, d); },
            .rebuild = {},
            .stays = stays};
  }

  TempFolder temporary_;
  std::string folder_ = temporary_.path();
  ConnectorList connectors_ = all_connectors();
  SystemClock clock_;
  Seen seen_;
};

TEST_F(HostTest, TriggerRunsABatchWhateverTheIntervalSays) {
  PipelineHost host(options("1h"), connectors_, clock_);
  host.observe(seen_);
  host.start();
  ASSERT_TRUE(seen_.wait_for(RunState::running));
  EXPECT_TRUE(seen_.batches().empty());
  write_file("a.csv", "id\n1\n2\n");
  const auto start = Steady::now();
  ASSERT_TRUE(host.command(HostCommand::trigger, "ann").has_value());
  ASSERT_TRUE(seen_.wait_for_batches(1));
  EXPECT_LT(Steady::now() - start, 5s);
  EXPECT_EQ(seen_.rows(), std::vector<std::int64_t>{2});
  EXPECT_EQ(seen_.phases(), (std::vector<std::string>{"run", "stage", "commit"}));
  EXPECT_EQ(host.status().last_batch, 0);
}

TEST_F(HostTest, PausedItRunsExactlyTheBatchesThatAreTriggered) {
  PipelineHost host(options("as_fast_as_possible"), connectors_, clock_);
  host.observe(seen_);
  host.start();
  ASSERT_TRUE(seen_.wait_for(RunState::running));
  const auto start = Steady::now();
  ASSERT_TRUE(host.command(HostCommand::pause, "ann").has_value());
  ASSERT_TRUE(seen_.wait_for(RunState::paused));
  EXPECT_LT(Steady::now() - start, 500ms);
  EXPECT_EQ(host.status().by, "ann");
  for (const char* name : {"a.csv", "b.csv", "c.csv"}) {
    write_file(name, "id\n1\n");
  }
  ASSERT_TRUE(host.command(HostCommand::trigger, "ann").has_value());
  ASSERT_TRUE(seen_.wait_for_batches(1));
  const auto refused = host.command(HostCommand::pause, "ben");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "wrong_state");
  EXPECT_EQ(seen_.batches().size(), 1U);
  ASSERT_TRUE(host.command(HostCommand::resume, "ben").has_value());
  ASSERT_TRUE(seen_.wait_for_batches(3));
  EXPECT_EQ(host.status().state, RunState::running);
  EXPECT_EQ(host.status().by, "ben");
}

TEST_F(HostTest, StopEndsIt) {
  PipelineHost host(options("1h"), connectors_, clock_);
  host.observe(seen_);
  host.start();
  ASSERT_TRUE(seen_.wait_for(RunState::running));
  ASSERT_TRUE(host.command(HostCommand::stop, "ann").has_value());
  EXPECT_EQ(host.wait().error, nullptr);
  EXPECT_EQ(host.status().state, RunState::stopped);
  EXPECT_EQ(host.status().by, "ann");
  EXPECT_FALSE(host.command(HostCommand::trigger, "ann").has_value());
}

TEST_F(HostTest, JobsRunBetweenBatchesAndSnapshotsAreTaken) {
  write_file("a.csv", "id\n1\n");
  PipelineHost host(options("as_fast_as_possible", false, "SELECT count(*) AS n FROM rows"),
                    connectors_, clock_);
  host.observe(seen_);
  host.start();
  ASSERT_TRUE(seen_.wait_for_batches(1));
  ASSERT_TRUE(host.command(HostCommand::savepoint, "ann").has_value());
  std::promise<std::int64_t> next;
  ASSERT_TRUE(
      host.between_batches([&](Pipeline* p) { next.set_value(p->next_batch()); }).has_value());
  EXPECT_EQ(next.get_future().get(), 1);
  std::size_t snapshots = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_ + "/.millrace/p/snapshots")) {
    snapshots += entry.path().extension() == ".snapshot" ? 1 : 0;
  }
  EXPECT_EQ(snapshots, 1U);
}

TEST_F(HostTest, AMistakeIsAFailureThatCanBeMendedWhileItStays) {
  PipelineHost host(options("1h", true, "SELECT nothing FROM rows"), connectors_, clock_);
  host.observe(seen_);
  host.start();
  ASSERT_TRUE(seen_.wait_for(RunState::failed));
  const auto failure = host.status().failure;
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->code, "mistake");
  EXPECT_NE(failure->where.find("p.yaml:"), std::string::npos);
  EXPECT_FALSE(host.command(HostCommand::pause, "ann").has_value());
  (void)options("1h", true);
  ASSERT_TRUE(host.command(HostCommand::retry, "ann").has_value());
  ASSERT_TRUE(seen_.wait_for(RunState::running));
  ASSERT_TRUE(host.command(HostCommand::stop, "ann").has_value());
  ASSERT_TRUE(seen_.wait_for(RunState::stopped));
  ASSERT_TRUE(host.command(HostCommand::retry, "ben").has_value());
  ASSERT_TRUE(seen_.wait_for(RunState::running));
  host.end("ann");
  EXPECT_EQ(host.wait().error, nullptr);
}

TEST_F(HostTest, TheEndOfTheInputStopsIt) {
  write_file("a.csv", "id\n1\n");
  PipelineHost host(options("available_now"), connectors_, clock_);
  host.observe(seen_);
  host.start();
  EXPECT_EQ(host.wait().error, nullptr);
  EXPECT_EQ(host.status().by, "the end of its input");
  EXPECT_EQ(seen_.batches().size(), 1U);
}

}  // namespace
}  // namespace millrace
