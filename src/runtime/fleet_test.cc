#include "runtime/fleet.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/test_folder.h"
#include "connectors/all.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;

/// Keeps the states of all hosts, and waits for them.
class SeenFleet {
 public:
  WatchHost watch() {
    return [this](const auto& host, const auto&) { return std::make_shared<Eye>(*host, *this); };
  }
  bool wait_for(const std::string& name, RunState state) {
    std::unique_lock guard(lock_);
    return changed_.wait_for(guard, 20s, [&] { return states_[name] == state; });
  }
  bool wait_for_starts(const std::string& name, int count) {
    std::unique_lock guard(lock_);
    return changed_.wait_for(guard, 20s, [&] { return starts_[name] >= count; });
  }
  int starts(const std::string& name) {
    const std::lock_guard guard(lock_);
    return starts_[name];
  }

 private:
  class Eye final : public HostObserver {
   public:
    Eye(PipelineHost& host, SeenFleet& seen) : name_(host.name()), seen_(seen) {
      host.observe(*this);
    }
    void state_changed(const HostStatus& status) override {
      const std::lock_guard guard(seen_.lock_);
      seen_.states_[name_] = status.state;
      seen_.starts_[name_] += status.state == RunState::starting ? 1 : 0;
      seen_.changed_.notify_all();
    }

   private:
    std::string name_;
    SeenFleet& seen_;
  };

  std::mutex lock_;
  std::condition_variable changed_;
  std::map<std::string, std::optional<RunState>> states_;
  std::map<std::string, int> starts_;
};

class FleetTest : public testing::Test {
 protected:
  FleetTest() {
    fleet_.emplace(
        Fleet::Options{.folder = folder_, .all = {.threads = 2, .memory_bytes = 1 << 30}},
        connectors_, clock_);
    fleet_->watch_with(seen_.watch());
  }
  void put(const std::string& file, const std::string& name,
           const std::string& sql = "SELECT * FROM r", const std::string& more = "") const {
    write_file_atomically(folder_ + "/" + file,
                          "pipeline: " + name + "\ntrigger: 1h\nsources: { r: { from: rate } }\n" +
                              "datasets: { d: \"" + sql +
                              "\" }\nsinks: { out: { from: d, to: blackhole } }\n" + more,
                          false);
  }
  /// "started a, refused b"
  std::string reload() {
    result_ = fleet_->reload();
    std::string text;
    for (const auto& entry : result_.entries) {
      text += text.empty() ? "" : ", ";
      text += std::string(reloaded_word(entry.what)) + " " + entry.pipeline;
    }
    return text;
  }
  [[nodiscard]] std::shared_ptr<PipelineHost> host(const std::string& name) const {
    return fleet_->find(name);
  }

  TempFolder temporary_;
  std::string folder_ = temporary_.path();
  ConnectorList connectors_ = all_connectors();
  SystemClock clock_;
  SeenFleet seen_;
  std::optional<Fleet> fleet_;
  ReloadResult result_;
};

TEST_F(FleetTest, RunsWhatIsInTheFolder) {
  put("a.yaml", "a");
  put("b.yaml", "b", "SELECT nothing FROM nowhere");
  put("c.yaml", "c", "SELECT * FROM r", "nonsense: 1\n");
  EXPECT_EQ(reload(), "started a, started b, refused c");
  EXPECT_TRUE(seen_.wait_for("a", RunState::running));
  EXPECT_TRUE(seen_.wait_for("b", RunState::failed));  // found when it is planned
  EXPECT_TRUE(seen_.wait_for("c", RunState::failed));
  EXPECT_EQ(host("c")->status().failure->code, "mistake");
  EXPECT_TRUE(fleet_->stop(20s, "test").empty());
  EXPECT_EQ(host("a")->status().by, "test");
}

TEST_F(FleetTest, AReloadTouchesWhatHasChangedAlone) {
  put("a.yaml", "a");
  put("b.yaml", "b");
  put("c.yaml", "c");
  EXPECT_EQ(reload(), "started a, started b, started c");
  for (const auto* name : {"a", "b", "c"}) {
    ASSERT_TRUE(seen_.wait_for(name, RunState::running));
  }
  const auto a = host("a");
  const auto b = host("b");
  put("b.yaml", "b", "SELECT * FROM r WHERE true");
  ASSERT_TRUE(remove_file(folder_ + "/c.yaml"));
  put("d.yaml", "d");
  EXPECT_EQ(reload(), "unchanged a, restarted b, stopped c, started d");
  EXPECT_EQ(host("a"), a);
  EXPECT_EQ(host("b"), b);
  EXPECT_EQ(host("c"), nullptr);
  EXPECT_TRUE(seen_.wait_for("d", RunState::running));
  EXPECT_TRUE(seen_.wait_for_starts("b", 2));
  EXPECT_TRUE(seen_.wait_for("b", RunState::running));
  EXPECT_EQ(b->spec()->datasets[0].sql.text, "SELECT * FROM r WHERE true");
  EXPECT_EQ(seen_.starts("a"), 1);
  EXPECT_EQ(result_.text(), "1 started, 1 restarted, 1 stopped, 1 unchanged");
  EXPECT_EQ(result_.json()["restarted"], Json::array({"b"}));
}

TEST_F(FleetTest, WhatHasMistakesIsRefusedAndTheOldOneRunsOn) {
  put("a.yaml", "a");
  EXPECT_EQ(reload(), "started a");
  ASSERT_TRUE(seen_.wait_for("a", RunState::running));
  const auto a = host("a");
  for (const auto* sql : {"SELECT nothing FROM r", "SELECT"}) {
    put("a.yaml", "a", sql);
    EXPECT_EQ(reload(), "refused a");
    EXPECT_EQ(result_.json()["refused"][0]["pipeline"], "a");
    EXPECT_EQ(host("a"), a);
  }
  write_file_atomically(folder_ + "/a.yaml", "pipeline: [", false);  // not even its name is known
  EXPECT_EQ(reload(), "refused a");
  EXPECT_EQ(host("a"), a);
  EXPECT_EQ(a->status().state, RunState::running);
  put("a.yaml", "a");
  EXPECT_EQ(reload(), "unchanged a");
  EXPECT_EQ(seen_.starts("a"), 1);
}

TEST_F(FleetTest, AFileThatIsCorrectedRunsAtTheNextReloadOrRetry) {
  put("a.yaml", "a", "SELECT * FROM r", "nonsense: 1\n");
  put("b.yaml", "b", "SELECT * FROM r", "nonsense: 1\n");
  EXPECT_EQ(reload(), "refused a, refused b");
  ASSERT_TRUE(seen_.wait_for("b", RunState::failed));
  put("b.yaml", "b");
  ASSERT_TRUE(host("b")->command(HostCommand::retry, "ann").has_value());
  EXPECT_TRUE(seen_.wait_for("b", RunState::running));
  put("a.yaml", "a");
  EXPECT_EQ(reload(), "restarted a, unchanged b");
  EXPECT_TRUE(seen_.wait_for("a", RunState::running));
}

TEST_F(FleetTest, ANameAndACheckpointAreOnes) {
  put("a.yaml", "a");
  put("b.yaml", "a");
  put("c.yaml", "c", "SELECT * FROM r", "checkpoint: { path: .millrace/a }\n");
  EXPECT_EQ(reload(), "started a, refused a@b, refused c");
  EXPECT_TRUE(seen_.wait_for("a", RunState::running));
  EXPECT_NE(result_.entries[1].diagnostics.text().find("a.yaml is called `a`, too"),
            std::string::npos);
  EXPECT_NE(result_.entries[2].diagnostics.text().find("is that of pipeline `a`"),
            std::string::npos);
  EXPECT_EQ(reload(), "unchanged a, refused a@b, refused c");
  // The one that runs keeps the name, though another file comes first now.
  put("0.yaml", "a");
  EXPECT_EQ(reload(), "unchanged a, refused a@0, refused a@b, refused c");
  ASSERT_TRUE(remove_file(folder_ + "/0.yaml"));
  ASSERT_TRUE(remove_file(folder_ + "/a.yaml"));
  EXPECT_EQ(reload(), "unchanged a, stopped a@0, stopped a@b, refused c");
}

TEST_F(FleetTest, WhatPeopleHavePausedOrStoppedStaysSo) {
  for (const std::string name : {"paused", "stopped", "both"}) {
    put(name + ".yaml", name);
  }
  (void)reload();
  for (const auto* name : {"paused", "stopped", "both"}) {
    ASSERT_TRUE(seen_.wait_for(name, RunState::running));
    const bool stop = std::string_view(name) == "stopped";
    ASSERT_TRUE(host(name)->command(stop ? HostCommand::stop : HostCommand::pause, "ann"));
    ASSERT_TRUE(seen_.wait_for(name, stop ? RunState::stopped : RunState::paused));
  }
  EXPECT_EQ(reload(), "unchanged both, unchanged paused, unchanged stopped");
  EXPECT_EQ(host("paused")->status().by, "ann");
  put("both.yaml", "both", "SELECT * FROM r WHERE true");
  put("stopped.yaml", "stopped", "SELECT * FROM r WHERE true");
  EXPECT_EQ(reload(), "restarted both, unchanged paused, taken stopped");
  EXPECT_TRUE(seen_.wait_for_starts("both", 2));
  EXPECT_TRUE(seen_.wait_for("both", RunState::paused));
  EXPECT_EQ(host("both")->status().by, "ann");
  EXPECT_EQ(host("stopped")->status().state, RunState::stopped);
  ASSERT_TRUE(host("stopped")->command(HostCommand::retry, "ann"));
  EXPECT_TRUE(seen_.wait_for("stopped", RunState::running));
  EXPECT_EQ(host("stopped")->spec()->datasets[0].sql.text, "SELECT * FROM r WHERE true");
}

TEST_F(FleetTest, MemoryIsSharedOut) {
  put("a.yaml", "a");
  put("b.yaml", "b", "SELECT * FROM r", "memory_limit: 256MiB\nthreads: 1\n");
  (void)reload();
  ASSERT_TRUE(seen_.wait_for("a", RunState::running));
  ASSERT_TRUE(seen_.wait_for("b", RunState::running));
  EXPECT_EQ(host("a")->spec()->memory_limit_bytes, 768 << 20);
  EXPECT_EQ(host("a")->spec()->process_memory_bytes, 1 << 30);
  EXPECT_EQ(host("a")->spec()->threads, 2);
  EXPECT_EQ(host("b")->spec()->memory_limit_bytes, 256 << 20);
  EXPECT_EQ(host("b")->spec()->threads, 1);
}

TEST_F(FleetTest, AnotherCheckpointIsAnotherPipeline) {
  std::vector<std::string> gone;
  fleet_->on_gone([&](const std::string& name) { gone.push_back(name); });
  put("a.yaml", "a");
  (void)reload();
  ASSERT_TRUE(seen_.wait_for("a", RunState::running));
  const auto before = host("a");
  put("a.yaml", "a", "SELECT * FROM r", "checkpoint: { path: .millrace/other }\n");
  EXPECT_EQ(reload(), "restarted a");
  EXPECT_EQ(gone, std::vector<std::string>{"a"});
  EXPECT_NE(host("a"), before);
  EXPECT_EQ(before->status().state, RunState::stopped);
  EXPECT_TRUE(seen_.wait_for_starts("a", 2));
}

TEST_F(FleetTest, NothingStartsAfterTheStop) {
  put("a.yaml", "a");
  (void)reload();
  ASSERT_TRUE(seen_.wait_for("a", RunState::running));
  EXPECT_TRUE(fleet_->stop(20s, "test").empty());
  put("b.yaml", "b");
  (void)reload();
  EXPECT_EQ(seen_.starts("b"), 0);
}

TEST_F(FleetTest, AFolderThatIsGoneStopsNothing) {
  put("a.yaml", "a");
  (void)reload();
  ASSERT_TRUE(seen_.wait_for("a", RunState::running));
  std::filesystem::rename(folder_, folder_ + ".away");
  EXPECT_THROW((void)fleet_->reload(), Error);
  std::filesystem::rename(folder_ + ".away", folder_);
  EXPECT_EQ(host("a")->status().state, RunState::running);
}

}  // namespace
}  // namespace millrace
