#include "connectors/files/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "connectors/files/files.h"
#include "connectors/s3/s3.h"
#include "support/rows.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class FilesSourceTest : public testing::Test {
 protected:
  FilesSourceTest() {
    fs::create_directories(folder_ / "in");
    options_.schema = "id BIGINT";
  }

  void write(const std::string& name, std::int64_t seconds, std::size_t size = 10) {
    const std::string path = folder_ / "in" / name;
    std::ofstream(path) << std::string(size, 'x');
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  std::unique_ptr<FilesSource> source(bool as_table = false) {
    return std::make_unique<FilesSource>(nullptr, "s", local_input(folder_ / "in", options_),
                                         options_, as_table);
  }
  static Names names(const std::optional<Slice>& slice) {
    Names names;
    if (slice) {
      for (const auto& file : slice->offsets.at("files")) {
        names.push_back(file.at("path"));
      }
    }
    return names;
  }
  /// All slices there are, each committed.
  static std::vector<Names> drain(FilesSource& source) {
    std::vector<Names> all;
    while (auto slice = source.plan(0)) {
      all.push_back(names(slice));
      source.advance(slice->offsets);
      source.committed(slice->offsets);
    }
    return all;
  }

  support::NoMalformed ignored_;
  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  FilesSourceOptions options_;
};

TEST_F(FilesSourceTest, GivesEachFileOnceWithinTheLimits) {
  write("c", 1'700'000'001);
  write("a", 1'700'000'002);
  write("b", 1'700'000'002);
  options_.max_files_per_trigger = 2;
  const auto s = source();
  s->open(std::nullopt);
  EXPECT_EQ(drain(*s), (std::vector<Names>{{"c", "a"}, {"b"}}));
  write("d", 1'600'000'000);  // moved in with an old time: still new
  EXPECT_EQ(drain(*s), (std::vector<Names>{{"d"}}));
}

TEST_F(FilesSourceTest, ABatchHasOneFileHoweverLarge) {
  write("a", 1'700'000'001, 1000);
  write("b", 1'700'000'002, 10);
  write("c", 1'700'000'003, 10);
  options_.max_bytes_per_trigger = Bytes{100};
  const auto s = source();
  s->open(std::nullopt);
  EXPECT_EQ(drain(*s), (std::vector<Names>{{"a"}, {"b", "c"}}));
}

// plan() must not move: a batch that was planned but not logged is planned again.
TEST_F(FilesSourceTest, OnlyAdvanceMoves) {
  write("a", 1'700'000'001);
  const auto s = source();
  s->open(std::nullopt);
  const auto first = s->plan(0);
  EXPECT_EQ(s->plan(0)->offsets, first->offsets);
  const auto scan = std::get<FileScan>(s->read(first->offsets, ignored_));
  ASSERT_EQ(scan.files.size(), 1U);
  EXPECT_EQ(scan.files[0].path, (folder_ / "in" / "a").string());
  EXPECT_EQ(scan.files[0].mtime_ns, 1'700'000'001'000'000'000);
}

TEST_F(FilesSourceTest, GoesOnAfterARestart) {
  write("a", 1'700'000'001);
  write("b", 1'700'000'002);
  options_.max_files_per_trigger = 1;
  const auto before = source();
  before->open(std::nullopt);
  before->advance(before->plan(0)->offsets);
  const Json position = before->position();
  const Json logged = before->plan(0)->offsets;

  const auto after = source();
  after->open(position);
  EXPECT_EQ(names(after->plan(0)), Names{"b"});
  after->advance(logged);
  EXPECT_EQ(after->plan(0), std::nullopt);
}

TEST_F(FilesSourceTest, GivesWhatItGaveOnceMore) {
  write("b", 1'700'000'001);
  write("a", 1'700'000'002);
  const auto s = source();
  s->open(std::nullopt);
  s->advance(s->plan(0)->offsets);
  write("c", 1'700'000'003);
  EXPECT_EQ(s->why_no_history(), std::nullopt);
  const auto next = s->history();
  EXPECT_EQ(names(next()), (Names{"b", "a"}));
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(names(s->plan(0)), Names{"c"});

  write("a", 1'700'000'009);
  EXPECT_THROW((void)s->history(), Error);
  fs::remove(folder_ / "in" / "a");
  EXPECT_THROW((void)s->history(), Error);
  options_.clean_source = CleanSource::remove;
  EXPECT_NE(source()->why_no_history(), std::nullopt);
}

TEST_F(FilesSourceTest, StopsAtThePresent) {
  write("a", 1'700'000'001);
  write("b", 1'700'000'002);
  options_.max_files_per_trigger = 1;
  const auto s = source();
  s->open(std::nullopt);
  s->stop_at_present();
  const auto first = s->plan(0);
  s->advance(first->offsets);
  write("late", 1'700'000'003);
  EXPECT_EQ(drain(*s), (std::vector<Names>{{"b"}}));
  EXPECT_TRUE(s->finished());
}

TEST_F(FilesSourceTest, ForgetsOldFiles) {
  options_.max_file_age = std::chrono::hours(1);
  write("old", 1'700'000'000);
  const auto s = source();
  s->open(std::nullopt);
  drain(*s);
  write("new", 1'700'010'000);
  drain(*s);
  EXPECT_EQ(s->position().at("files").size(), 1U);
  EXPECT_EQ(s->plan(0), std::nullopt) << "`old` is too old to come again";
}

TEST_F(FilesSourceTest, CleansUpAfterTheCommit) {
  write("a", 1'700'000'001);
  options_.clean_source = CleanSource::archive;
  options_.source_archive_dir = folder_ / "archive";
  auto s = source();
  s->open(std::nullopt);
  drain(*s);
  EXPECT_FALSE(fs::exists(folder_ / "in" / "a"));
  EXPECT_TRUE(fs::exists(folder_ / "archive" / "a"));
  EXPECT_TRUE(s->position().at("files").empty());
  options_.clean_source = CleanSource::remove;
  write("b", 1'700'000'001);
  s = source();
  s->open(std::nullopt);
  const auto slice = s->plan(0);
  s->advance(slice->offsets);
  EXPECT_TRUE(fs::exists(folder_ / "in" / "b")) << "not before the commit";
  s->committed(slice->offsets);
  EXPECT_FALSE(fs::exists(folder_ / "in" / "b"));
}

TEST_F(FilesSourceTest, ATableIsReadWholeEveryTime) {
  write("a", 1'700'000'001);
  const auto s = source(true);
  s->open(std::nullopt);
  for (int i = 0; i < 2; ++i) {
    const auto slice = s->plan(0);
    EXPECT_EQ(names(slice), Names{"a"});
    s->advance(slice->offsets);
  }
}

Node mapping(const std::vector<std::pair<std::string, std::string>>& entries) {
  Node node{.kind = Node::Kind::mapping};
  for (const auto& [key, text] : entries) {
    node.entries.push_back({key, {}, Node{.kind = Node::Kind::scalar, .text = text}});
  }
  return node;
}

TEST(FilesConnector, ReportsEveryMistake) {
  const auto connector = files_connector(s3_stores());
  const auto mistakes = [&](const Node& connection, const Node& options) {
    Diagnostics diagnostics;
    EXPECT_EQ(connector->make_source({.name = "s", .connection = &connection, .options = &options},
                                     diagnostics),
              nullptr);
    std::string text;
    for (const auto& each : diagnostics.all()) {
      text += each.text() + "\n";
    }
    return text;
  };
  EXPECT_NE(mistakes(mapping({{"path", "gs://b/x"}}), mapping({{"format", "parquet"}}))
                .find("not in this version"),
            std::string::npos);
  EXPECT_NE(mistakes(mapping({{"path", "s3://"}}), mapping({{"format", "parquet"}}))
                .find("names no bucket"),
            std::string::npos);
  EXPECT_NE(mistakes(mapping({{"path", "in"}, {"region", "x"}}), mapping({{"format", "parquet"}}))
                .find("which is for paths that begin with s3://"),
            std::string::npos);
  EXPECT_NE(
      mistakes(mapping({{"path", "in"}}), mapping({{"format", "csv"}})).find("needs a `schema`"),
      std::string::npos);
  EXPECT_NE(mistakes(mapping({{"path", "in"}}), mapping({{"format", "csv"}, {"shema", "a INT"}}))
                .find("did you mean `schema`?"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace
