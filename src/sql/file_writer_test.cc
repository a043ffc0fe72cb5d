#include "sql/file_writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/test_folder.h"
#include "sql/database.h"
#include "sql/internal/database.h"
#include "sql/internal/types.h"

namespace millrace::sql {
namespace {

namespace fs = std::filesystem;
using Format = FileWriterOptions::Format;

class FileWriterTest : public testing::Test {
 protected:
  /// Writes the rows of a SELECT with some threads.
  std::vector<WrittenFile> write(const std::string& sql, int threads = 2,
                                 bool at_least_one = true) {
    duckdb::Connection connection(*database_->impl().duck);
    const auto result = connection.Query(sql);
    EXPECT_FALSE(result->HasError()) << result->GetError();
    const Schema schema = schema_of(result->names, result->types);
    std::vector<duckdb::unique_ptr<duckdb::DataChunk>> chunks;
    while (auto chunk = result->Fetch()) {
      chunk->Flatten();
      chunks.push_back(std::move(chunk));
    }
    FileWriter writer(*database_, schema, options_, path_of_);
    std::vector<std::thread> running;
    running.reserve(static_cast<std::size_t>(threads));
    std::mutex lock;
    std::exception_ptr failure;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        try {
          const auto mine = writer.writer();
          for (auto i = static_cast<std::size_t>(t); i < chunks.size();
               i += static_cast<std::size_t>(threads)) {
            mine->write({.rows = chunks[i]->size(), .columns = {}, .native = chunks[i].get()});
          }
          mine->finish();
        } catch (...) {
          const std::lock_guard guard(lock);
          failure = std::current_exception();
        }
      });
    }
    for (auto& thread : running) {
      thread.join();
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
    return writer.finish(at_least_one);
  }
  std::string query(const std::string& sql) {
    const TextTable table = database_->query(sql);
    std::string text;
    for (const auto& row : table.rows) {
      for (const auto& value : row) {
        text += value.value_or("NULL") + " ";
      }
    }
    return text;
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  std::optional<Database> database_{Database::Options{.threads = 2}};
  FileWriterOptions options_;
  FileWriter::PathOf path_of_ = [this](const std::string& partition, int part) {
    fs::create_directories(folder_ / partition);
    return (folder_ / partition / fmt::format("{}.data", part)).string();
  };
};

std::ptrdiff_t open_descriptors() {
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

// So few rows and partitions that no file is opened before finish().
constexpr const char* kManySmallFiles = "SELECT i, i % 40 AS p FROM range(4000) t(i)";

TEST_F(FileWriterTest, WritesParquetByPartition) {
  options_.partition_by = {"day", "kind"};
  const auto files = write(
      "SELECT i AS id, DATE '2026-01-01' + (i % 3)::INTEGER AS day, "
      "CASE WHEN i % 2 = 0 THEN 'a/b' END AS kind, 'row ' || i AS text FROM range(500000) t(i)");
  ASSERT_EQ(files.size(), 6U);
  EXPECT_EQ(files[0].partition, "day=2026-01-01/kind=__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(files[1].partition, "day=2026-01-01/kind=a%2Fb");
  std::int64_t rows = 0;
  for (const auto& file : files) {
    rows += file.rows;
    EXPECT_EQ(file.bytes, static_cast<std::int64_t>(fs::file_size(file.path)));
  }
  EXPECT_EQ(rows, 500'000);
  EXPECT_EQ(
      query(fmt::format("SELECT count(*), sum(id), count(DISTINCT text), count(kind), min(kind) "
                        "FROM read_parquet('{}/**/*.data', hive_partitioning = true)",
                        folder_.string())),
      "500000 124999750000 500000 250000 a/b ");
}

TEST_F(FileWriterTest, AnEmptyResultIsAValidFile) {
  const auto files = write("SELECT 1 AS id, 'x' AS name WHERE false");
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(
      query(fmt::format("SELECT count(*), count(name) FROM read_parquet('{}')", files[0].path)),
      "0 0 ");
  options_.format = Format::csv;
  EXPECT_EQ(write("SELECT 1 AS id WHERE false").size(), 1U);
  EXPECT_TRUE(write("SELECT 1 AS id WHERE false", 1, false).empty());
}

TEST_F(FileWriterTest, WritesCsvAndJson) {
  const char* sql =
      "SELECT 1 AS id, 'a, \"b\"\nc' AS name, NULL::DOUBLE AS x UNION ALL SELECT 2, '', 2.5";
  options_.format = Format::csv;
  auto files = write(sql, 1);
  EXPECT_EQ(query(fmt::format("SELECT content FROM read_text('{}')", files.at(0).path)),
            "id,name,x\n1,\"a, \"\"b\"\"\nc\",\n2,\"\",2.5\n ");
  options_.format = Format::json;
  files = write(sql, 1);
  EXPECT_EQ(
      query(fmt::format("SELECT content FROM read_text('{}')", files.at(0).path)),
      "{\"id\":1,\"name\":\"a, \\\"b\\\"\\nc\",\"x\":null}\n{\"id\":2,\"name\":\"\",\"x\":2.5}\n ");
}

// sum() of integers is a HUGEINT, which DuckDB would write as a DOUBLE.
TEST_F(FileWriterTest, KeepsTheDigitsOfHugeNumbers) {
  const auto files = write("SELECT 12345678901234567890123::HUGEINT AS n");
  EXPECT_EQ(query(fmt::format("SELECT n, typeof(n) FROM read_parquet('{}')", files.at(0).path)),
            "12345678901234567890123 DECIMAL(38,0) ");
  EXPECT_THROW(write("SELECT 170141183460469231731687303715884105727::HUGEINT AS n"), Error);
}

TEST_F(FileWriterTest, BeginsAnotherPart) {
  options_.max_file_bytes = 200'000;
  options_.row_group_rows = 10'000;
  const auto files = write("SELECT i, random() AS r FROM range(200000) t(i)");
  EXPECT_GT(files.size(), 3U);
  EXPECT_EQ(query(fmt::format("SELECT count(*), sum(i) FROM read_parquet('{}/*.data')",
                              folder_.string())),
            "200000 19999900000 ");
}

TEST_F(FileWriterTest, ManyPartitions) {
  options_.partition_by = {"p"};
  const auto files = write("SELECT i, i % 700 AS p FROM range(50000) t(i)");
  EXPECT_GE(files.size(), 700U);
  EXPECT_EQ(query(fmt::format("SELECT count(*), sum(i), count(DISTINCT p) FROM "
                              "read_parquet('{}/**/*.data', hive_partitioning = true)",
                              folder_.string())),
            "50000 1249975000 700 ");
}

TEST_F(FileWriterTest, AFileThatFailsEndsFinishingAndNothingLeaks) {
  options_.partition_by = {"p"};
  EXPECT_EQ(write(kManySmallFiles).size(), 40U);
  const auto descriptors = open_descriptors();
  const auto memory = database_->memory_bytes();
  const auto usual = path_of_;
  const auto text_of_failure = [&](Blame blame) -> std::string {
    try {
      write(kManySmallFiles);
    } catch (const Error& error) {
      EXPECT_EQ(error.blame(), blame);
      return error.what();
    }
    return "no error";
  };
  // Our own errors come as they were thrown, DuckDB's with the path.
  path_of_ = [&](const std::string& partition, int part) {
    return partition == "p=23" ? throw Error(Blame::user, "not there") : usual(partition, part);
  };
  EXPECT_EQ(text_of_failure(Blame::user), "not there");
  path_of_ = [&](const std::string& partition, int part) {
    return partition == "p=23" ? (folder_ / "none" / "23.data").string() : usual(partition, part);
  };
  EXPECT_NE(text_of_failure(Blame::external).find("none/23.data"), std::string::npos);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(database_->memory_bytes(), memory);
  path_of_ = usual;
  EXPECT_EQ(write(kManySmallFiles).size(), 40U);
}

TEST_F(FileWriterTest, FinishesOnAsManyThreadsAsTheDatabaseHas) {
  std::mutex lock;
  std::set<std::thread::id> threads;
  path_of_ = [&, usual = path_of_](const std::string& partition, int part) {
    const std::lock_guard guard(lock);
    threads.insert(std::this_thread::get_id());
    return usual(partition, part);
  };
  const std::set only_this{std::this_thread::get_id()};
  write("SELECT 1 AS i");
  EXPECT_EQ(threads, only_this);
  options_.partition_by = {"p"};
  threads.clear();
  write(kManySmallFiles);
  EXPECT_LE(threads.size(), 2U);
  database_.emplace(Database::Options{.threads = 1});
  threads.clear();
  write(kManySmallFiles);
  EXPECT_EQ(threads, only_this);
}

TEST_F(FileWriterTest, RefusesImpossiblePartitions) {
  options_.partition_by = {"nope"};
  EXPECT_THROW(write("SELECT 1 AS id"), Error);
  options_.partition_by = {"id"};
  EXPECT_THROW(write("SELECT 1 AS id"), Error);
  options_.partition_by = {"l"};
  EXPECT_THROW(write("SELECT 1 AS id, [1] AS l"), Error);
}

// A full disk, by a tiny file system or, without the right to mount one, a limit on file sizes.
TEST_F(FileWriterTest, AFullDiskIsAnErrorThatSaysSo) {
  const char* sql = "SELECT i, random() AS r, md5(i::VARCHAR) AS m FROM range(200000) t(i)";
  std::string text;
  const auto attempt = [&] {
    try {
      write(sql);
      text = "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.blame(), Blame::external);
      text = error.what();
    }
  };
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=1m") == 0) {
    attempt();
    ::umount(folder_.c_str());
    EXPECT_NE(text.find("No space left on device"), std::string::npos) << text;
  } else {
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{1 << 20, before.rlim_max};
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &small);
    attempt();
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, handler);
    EXPECT_NE(text.find("File too large"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace millrace::sql
