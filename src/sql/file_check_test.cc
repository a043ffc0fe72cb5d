#include "sql/file_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/test_folder.h"
#include "sql/file_merger.h"

namespace millrace::sql {
namespace {

namespace fs = std::filesystem;
using Format = FileWriterOptions::Format;

class FileCheckTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& options, int first, int rows) {
    auto path = (folder_ / name).native();
    database_.query(
        fmt::format("COPY (SELECT i::INTEGER AS id, 'row ' || i AS \"a \"\"name\" "
                    "FROM range({}, {}) t(i)) TO {} ({})",
                    first, first + rows, quote_text(path), options));
    return path;
  }
  static std::string error_of(const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  Database database_{Database::Options{.threads = 2}};
};

TEST_F(FileCheckTest, CountsWhatItDecodes) {
  const FileCheck parquet(database_, {.format = Format::parquet});
  const auto path = write("a", "FORMAT parquet", 0, 5000);
  EXPECT_EQ(parquet.rows(path), 5000);
  parquet.expect_rows(path, 5000);
  EXPECT_NE(error_of([&] { parquet.expect_rows(path, 4999); }).find("reads back with 5000"),
            std::string::npos);
  const FileCheck csv(database_, {.format = Format::csv, .compression = "gzip", .header = false});
  EXPECT_EQ(csv.rows(write("b", "FORMAT csv, HEADER false, COMPRESSION gzip", 0, 3000)), 3000);
  const FileCheck json(database_, {.format = Format::json});
  EXPECT_EQ(json.rows(write("c", "FORMAT json", 0, 3000)), 3000);
}

TEST_F(FileCheckTest, FindsDamage) {
  const FileCheck check(database_, {.format = Format::parquet});
  const auto path = write("a", "FORMAT parquet, COMPRESSION zstd", 0, 50'000);
  const auto size = fs::file_size(path);
  {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "r+"),
                                                               &std::fclose);
    std::fseek(file.get(), 4, SEEK_SET);  // the first page
    std::fputs("something else altogether, where a column begins", file.get());
  }
  EXPECT_NE(error_of([&] { (void)check.rows(path); }).find("can't be read back"),
            std::string::npos);
  fs::resize_file(path, size / 2);
  EXPECT_NE(error_of([&] { (void)check.rows(path); }).find("can't be read back"),
            std::string::npos);
}

TEST_F(FileCheckTest, MergedFilesHaveTheRowsOfAll) {
  const Schema columns = database_.parse_schema(R"(id INTEGER, "a ""name" VARCHAR)");
  for (const auto& [format, options] :
       {std::pair{Format::parquet, "FORMAT parquet"}, std::pair{Format::json, "FORMAT json"},
        std::pair{Format::csv, "FORMAT csv, HEADER false"}}) {
    FileWriterOptions of{.format = format, .compression = format == Format::parquet ? "zstd" : ""};
    const FileMerger merger(database_, of);
    const auto to = (folder_ / "merged").native();
    merger.merge({write("a", options, 0, 10), write("b", options, 10, 20)}, to, columns);
    EXPECT_EQ(FileCheck(database_, of).rows(to), 30);
  }
}

}  // namespace
}  // namespace millrace::sql
