#include "connectors/files/sink.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/test_folder.h"
#include "sql/batch.h"
#include "sql/database.h"
#include "sql/plan.h"
#include "support/rows.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class FilesSinkTest : public testing::Test {
 protected:
  FilesSinkTest() {
    start_.pipeline = "p";
    start_.schema = database_.parse_schema("id BIGINT, day DATE");
    database_.declare("numbers", database_.parse_schema("i BIGINT"), sql::Shape::stream);
  }

  std::unique_ptr<FilesSink> sink() {
    return std::make_unique<FilesSink>(&database_, "out", local_output(folder_ / "out"), options_);
  }
  /// A sink that is open.
  std::unique_ptr<FilesSink> open_sink() {
    auto opened = sink();
    opened->open(start_);
    return opened;
  }

  /// Gives a plan's rows to a sink.
  struct ToSink final : sql::Receiver {
    explicit ToSink(SinkBatch& b) : to(b) {}
    std::unique_ptr<SinkWriter> writer() override { return to.writer(); }
    SinkBatch& to;
  };
  struct Numbers final : RowReader {
    Numbers(std::int64_t from, std::int64_t count) : next(from), end(from + count) {}
    std::size_t read(ChunkWriter& to) override {
      std::size_t rows = 0;
      for (; rows < kChunkRows && next < end; ++rows) {
        to.values<std::int64_t>(0)[rows] = next++;
      }
      return rows;
    }
    std::int64_t next;
    std::int64_t end;
  };
  /// Begins a batch and stages ids first, first + 1, ... spread over three days.
  std::unique_ptr<SinkBatch> stage(FilesSink& to, std::int64_t batch, std::int64_t first,
                                   std::int64_t count) {
    auto begun = to.begin(batch, none_refused_);
    auto rows = std::make_shared<sql::Batch>(database_.parse_schema("i BIGINT"));
    Numbers reader(first, count);
    rows->read(reader);
    const auto plan =
        database_.plan(fmt::format("plan{}", ++plans_),
                       "SELECT i AS id, DATE '2026-01-01' + (i % 3)::INTEGER AS day FROM numbers");
    plan->begin_batch(batch, 0);
    plan->give("numbers", std::shared_ptr<const sql::Batch>(std::move(rows)));
    ToSink receiver(*begun);
    plan->run(sql::Run::rows, receiver);
    begun->stage();
    return begun;
  }
  SinkStats batch(FilesSink& to, std::int64_t id, std::int64_t first, std::int64_t count) {
    const auto staged = stage(to, id, first, count);
    staged->publish();
    return staged->stats();
  }
  /// All there is below the target, also hidden.
  Names files() const {
    Names names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file() || entry.path().filename().native().starts_with('.')) {
        names.push_back(entry.path().native().substr(folder_.native().size() + 1));
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string ids(const FilesSink& of) {
    const auto table =
        database_.query(fmt::format("SELECT count(*), sum(id), min(day) FROM ({})", of.query()));
    return fmt::format("{} {} {}", *table.rows[0][0], table.rows[0][1].value_or("-"),
                       table.rows[0][2].value_or("-"));
  }
  std::string error_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  support::NoMalformed none_refused_;
  sql::Database database_{sql::Database::Options{.threads = 2}};
  FilesSinkOptions options_;
  SinkStart start_;
  int plans_ = 0;
};

TEST_F(FilesSinkTest, AppendsUnderDeterministicNames) {
  options_.partition_by = {"day"};
  options_.success_marker = true;
  const auto out = open_sink();
  const auto stats = batch(*out, 0, 0, 3);
  EXPECT_EQ(stats.rows, 3);
  EXPECT_EQ(stats.files, 3);
  batch(*out, 1, 3, 1);
  batch(*out, 2, 0, 0);
  EXPECT_EQ(files(), (Names{"out/_SUCCESS", "out/day=2026-01-01/out-0000000000-000.parquet",
                            "out/day=2026-01-01/out-0000000001-000.parquet",
                            "out/day=2026-01-02/out-0000000000-000.parquet",
                            "out/day=2026-01-03/out-0000000000-000.parquet"}));
  EXPECT_EQ(ids(*out), "4 6 2026-01-01");
}

TEST_F(FilesSinkTest, NothingIsVisibleBeforeItIsPublished) {
  const auto out = open_sink();
  auto staged = stage(*out, 0, 0, 10);
  for (const auto& file : files()) {
    EXPECT_TRUE(file.starts_with("out/.millrace-p-out")) << file;
  }
  EXPECT_EQ(ids(*out), "0 - -");
  staged.reset();
  EXPECT_TRUE(files().empty());
  staged = stage(*out, 0, 0, 10);
  staged->publish();
  staged->publish();  // again: no harm
  EXPECT_EQ(ids(*out), "10 45 2026-01-01");
}

TEST_F(FilesSinkTest, ABatchIsWrittenWhileTheOneBeforeIsPublished) {
  for (const bool replaced : {false, true}) {
    options_.partition_by = {"day"};
    start_.mode = replaced ? OutputMode::complete : OutputMode::append;
    fs::remove_all(folder_ / "out");
    const auto out = open_sink();
    auto first = stage(*out, 0, 0, 10);
    const auto second = stage(*out, 1, 10, 5);
    first->publish();
    first.reset();
    EXPECT_EQ(ids(*out), "10 45 2026-01-01");
    second->publish();
    EXPECT_EQ(ids(*out), replaced ? "5 60 2026-01-01" : "15 105 2026-01-01");
  }
}

// What a crash left behind: staged files, and a batch that was published but not committed.
TEST_F(FilesSinkTest, RemovesLeftoversAndNothingElse) {
  {
    const auto dead = open_sink();
    batch(*dead, 0, 0, 10);
    batch(*dead, 1, 10, 10);
    const auto staged = stage(*dead, 2, 20, 10);
    fs::rename(folder_ / "out/.millrace-p-out.2", folder_ / "saved");
  }
  fs::rename(folder_ / "saved", folder_ / "out/.millrace-p-out.2");
  for (const char* other : {"other-0000000007-000.parquet", "out-notes.parquet", "notes.txt"}) {
    std::ofstream(folder_ / "out" / other) << "x";
  }
  start_.last_committed = 0;
  const auto out = open_sink();
  EXPECT_EQ(files(), (Names{"out/notes.txt", "out/other-0000000007-000.parquet",
                            "out/out-0000000000-000.parquet", "out/out-notes.parquet"}));
  batch(*out, 1, 10, 10);
  EXPECT_EQ(ids(*out), "20 190 2026-01-01");
}

// Output that is ahead of the checkpoint by more than the running batch: not a crash.
TEST_F(FilesSinkTest, RefusesToGoOnWithoutItsCheckpoint) {
  {
    const auto before = open_sink();
    batch(*before, 0, 0, 10);
    batch(*before, 1, 10, 10);
  }
  EXPECT_NE(error_of([&] { open_sink(); }).find("checkpoint was removed"), std::string::npos);
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(FilesSinkTest, CompleteReplacesOneFile) {
  start_.mode = OutputMode::complete;
  const auto out = open_sink();
  batch(*out, 0, 0, 10);
  batch(*out, 1, 0, 3);
  EXPECT_EQ(files(), Names{"out/out.parquet"});
  EXPECT_EQ(ids(*out), "3 3 2026-01-01");
  batch(*out, 2, 0, 0);  // an empty table is a table
  EXPECT_EQ(files(), Names{"out/out.parquet"});
  EXPECT_EQ(ids(*out), "0 - -");
}

TEST_F(FilesSinkTest, CompleteExchangesThePartitionedFolder) {
  start_.mode = OutputMode::complete;
  options_.partition_by = {"day"};
  options_.success_marker = true;
  const auto out = open_sink();
  batch(*out, 0, 0, 10);
  batch(*out, 1, 0, 2);
  EXPECT_EQ(files(), (Names{"out/_SUCCESS", "out/day=2026-01-01/out-000.parquet",
                            "out/day=2026-01-02/out-000.parquet"}));
  EXPECT_EQ(ids(*out), "2 1 2026-01-01");
  batch(*out, 2, 0, 0);
  EXPECT_EQ(files(), Names{"out/_SUCCESS"});
  EXPECT_EQ(ids(*out), "0 - -");
  std::ofstream(folder_ / "out" / "precious.txt") << "x";
  EXPECT_NE(error_of([&] { open_sink(); }).find("`precious.txt`, which is not of sink out"),
            std::string::npos);
}

TEST_F(FilesSinkTest, WritesTextToo) {
  for (const auto format : {FileKind::csv, FileKind::json}) {
    options_.format = format;
    options_.compression = "gzip";
    fs::remove_all(folder_ / "out");
    const auto out = open_sink();
    batch(*out, 0, 0, 5);
    EXPECT_EQ(ids(*out), "5 10 2026-01-01");
  }
}

/// A disk that is nearly full until relieve(): a tiny file system or, without the right to mount
/// one, a limit on the size of files.
class FullDisk {
 public:
  explicit FullDisk(std::string folder) : folder_(std::move(folder)) {
    mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=256k") == 0;
    if (!mounted_) {
      ::signal(SIGXFSZ, SIG_IGN);
      ::getrlimit(RLIMIT_FSIZE, &before_);
      const rlimit small{256 << 10, before_.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &small);
    }
  }
  ~FullDisk() {
    relieve();
    if (mounted_) {
      ::umount(folder_.c_str());
    }
  }
  void relieve() {
    if (mounted_) {
      ::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=64m");
    } else {
      ::setrlimit(RLIMIT_FSIZE, &before_);
    }
  }
  [[nodiscard]] const char* words() const {
    return mounted_ ? "No space left on device" : "File too large";
  }

 private:
  std::string folder_;
  bool mounted_ = false;
  rlimit before_{};
};

TEST_F(FilesSinkTest, AFullDiskLosesNothing) {
  fs::create_directories(folder_ / "out");
  FullDisk disk(folder_ / "out");
  const auto out = open_sink();
  batch(*out, 0, 0, 100);
  const std::string text = error_of([&] { (void)stage(*out, 1, 0, 1'000'000); });
  EXPECT_NE(text.find(disk.words()), std::string::npos) << text;
  EXPECT_EQ(files(), Names{"out/out-0000000000-000.parquet"});
  EXPECT_EQ(ids(*out), "100 4950 2026-01-01");
  disk.relieve();
  batch(*out, 1, 0, 1'000'000);
  EXPECT_TRUE(ids(*out).starts_with("1000100 "));
}

TEST_F(FilesSinkTest, AReadOnlyFolderIsAnErrorAtOnce) {
  fs::create_directories(folder_ / "out");
  if (::mount("tmpfs", (folder_ / "out").c_str(), "tmpfs", MS_RDONLY, "") == 0) {
    const std::string text = error_of([&] { open_sink(); });
    ::umount((folder_ / "out").c_str());
    EXPECT_NE(text.find("Read-only file system"), std::string::npos) << text;
  } else {
    ASSERT_NE(::geteuid(), 0U) << "root may write anywhere";
    ::chmod((folder_ / "out").c_str(), 0500);
    EXPECT_NE(error_of([&] { open_sink(); }).find("Permission denied"), std::string::npos);
    ::chmod((folder_ / "out").c_str(), 0700);
  }
}

}  // namespace
}  // namespace millrace
