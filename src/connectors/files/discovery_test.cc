#include "connectors/files/discovery.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/test_folder.h"
#include "connectors/files/watcher.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

class DiscoveryTest : public testing::Test {
 protected:
  void write(const std::string& name, std::int64_t seconds = 1'700'000'000) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "x";
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / name).c_str(), times, 0), 0);
  }
  Names look(Discovery::Where where) {
    Names names;
    for (const auto& found : Discovery(std::move(where)).look([](const auto&) { return false; })) {
      names.push_back(found.file.path + (found.complete ? "" : " (incomplete)"));
    }
    return names;
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(DiscoveryTest, OrdersByTimeThenPath) {
  write("b.csv", 1'700'000'002);
  write("c.csv", 1'700'000'001);
  write("a.csv", 1'700'000'002);
  EXPECT_EQ(look({.path = folder_, .name_filter = ""}), (Names{"c.csv", "a.csv", "b.csv"}));
}

TEST_F(DiscoveryTest, LeavesHiddenAndTemporaryFilesAlone) {
  for (const char* name : {".a.csv", "_b.csv", "c.csv.tmp", "d.part", "e.csv~", "f.crdownload",
                           ".hidden/g.csv", "_temporary/h.csv", "good.csv"}) {
    write(name);
  }
  EXPECT_EQ(look({.path = folder_, .name_filter = "", .recursive = true}), Names{"good.csv"});
}

TEST_F(DiscoveryTest, Patterns) {
  for (const char* name :
       {"a.csv", "a.json", "2026-01/b.csv", "2026-02/deep/c.csv", "2025-01/d.csv"}) {
    write(name);
  }
  const std::string base = folder_;
  EXPECT_EQ(look({.path = base, .name_filter = "*.json"}), Names{"a.json"});
  EXPECT_EQ(look({.path = base + "/*.csv", .name_filter = ""}), Names{"a.csv"});
  EXPECT_EQ(look({.path = base + "/2026-*/*.csv", .name_filter = ""}), Names{"2026-01/b.csv"});
  EXPECT_EQ(look({.path = base + "/**/*.csv", .name_filter = ""}),
            (Names{"2025-01/d.csv", "2026-01/b.csv", "2026-02/deep/c.csv", "a.csv"}));
  EXPECT_EQ(look({.path = base + "/a.json", .name_filter = ""}), Names{"a.json"});
  EXPECT_EQ(look({.path = base, .name_filter = "", .recursive = true}).size(), 5U);
}

// A file that somebody has open for writing is not complete, however old it looks.
TEST_F(DiscoveryTest, SeesThatAFileIsBeingWritten) {
  Discovery discovery({.path = folder_, .name_filter = "", .settle_time = 50ms});
  const auto complete = [&] {
    const auto found = discovery.look([](const auto&) { return false; });
    return found.size() == 1 && found[0].complete;
  };
  UniqueFd fd(::open((folder_ / "a.csv").c_str(), O_WRONLY | O_CREAT, 0644));
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  EXPECT_FALSE(complete());
  fd.reset();
  // At once where the file system has leases, else after the settle time.
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!complete() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(complete());
}

TEST_F(DiscoveryTest, SaysWhatIsWrongWithTheFolder) {
  try {
    Discovery({.path = folder_ / "nope", .name_filter = ""}).check();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::external);
    EXPECT_NE(std::string(error.what()).find("No such file or directory; make the folder"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(DiscoveryTest, TheWatcherWakesForANewFileAndForAStop) {
  FolderWatcher watcher;
  watcher.watch(folder_);
  const auto begin = std::chrono::steady_clock::now();
  std::jthread writer([this] { write("a.csv"); });
  std::stop_source stop;
  watcher.wait(stop.get_token(), begin + 10s);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  writer.join();
  std::jthread stopper([&stop] { stop.request_stop(); });
  watcher.wait(stop.get_token(), begin + 20s);
  watcher.wait(stop.get_token(), begin + 20s);  // a stop is not forgotten
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 9s);
}

}  // namespace
}  // namespace millrace
