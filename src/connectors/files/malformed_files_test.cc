#include "connectors/files/malformed_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/test_folder.h"
#include "connectors/files/source.h"
#include "sql/batch.h"
#include "sql/plan.h"
#include "sql/render.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

/// Keeps malformed rows, and gives them out as a quarantine does.
class Kept final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override {
    const std::lock_guard guard(lock_);
    rows_.push_back(row);
  }
  [[nodiscard]] MalformedRows rows() const {
    return [rows = rows_, next = std::size_t{0}]() mutable {
      return next < rows.size() ? std::optional(rows[next++]) : std::nullopt;
    };
  }
  [[nodiscard]] Lines texts() const {
    Lines texts;
    texts.reserve(rows_.size());
    for (const MalformedRow& row : rows_) {
      texts.push_back(row.raw);
    }
    std::ranges::sort(texts);
    return texts;
  }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  void clear() { rows_.clear(); }

 private:
  std::mutex lock_;
  std::vector<MalformedRow> rows_;
};

/// Rows as text.
class Collect final : public sql::Receiver {
 public:
  std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(*this); }
  [[nodiscard]] Lines sorted() {
    std::ranges::sort(lines_);
    return lines_;
  }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(Collect& to) : to_(to) {}
    void write(const Chunk& chunk) override {
      const std::lock_guard guard(to_.lock_);
      for (const auto& row : sql::render(chunk)) {
        std::string line;
        for (const auto& value : row) {
          line += (line.empty() ? "" : "|") + value.value_or("NULL");
        }
        to_.lines_.push_back(std::move(line));
      }
    }
    void finish() override {}

   private:
    Collect& to_;
  };

  std::mutex lock_;
  Lines lines_;
};

class MalformedFilesTest : public testing::Test {
 protected:
  MalformedFilesTest() {
    fs::create_directories(folder_ / "in");
    options_.schema = "id BIGINT, name VARCHAR, amount DOUBLE";
  }

  std::string write(const std::string& name, const std::string& content) {
    const std::string path = folder_ / "in" / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::unique_ptr<FilesSource> source() {
    return std::make_unique<FilesSource>(&database_, "s", local_input(folder_ / "in", options_),
                                         options_, false);
  }
  /// The rows of files, sorted; what is malformed goes to `kept`.
  Lines run(FilesSource& source, SliceInput input, Kept& kept) {
    const auto name = fmt::format("rows_{}", names_++);
    database_.declare(name, source.schema(), sql::Shape::stream, source.file_format());
    const auto plan = database_.plan(name + "_plan", "SELECT * FROM " + name);
    plan->begin_batch(0, 0);
    plan->give(name, std::move(std::get<FileScan>(input)), &kept);
    Collect rows;
    (void)plan->run(sql::Run::rows, rows);
    return rows.sorted();
  }
  /// All rows of the folder `in`.
  Lines read(Kept& kept) {
    const auto from = source();
    from->open(std::nullopt);
    return run(*from, from->read(from->plan(0)->offsets, kept), kept);
  }
  /// Malformed rows, read again; what still is goes to still_.
  Lines again(const Kept& kept) {
    fs::remove_all(folder_ / "again");
    fs::create_directory(folder_ / "again");
    still_.clear();
    const auto from = source();
    auto input = from->read_again(kept.rows(), folder_ / "again", still_);
    names_of(std::get<FileScan>(input));
    return run(*from, std::move(input), still_);
  }
  void names_of(const FileScan& scan) {
    files_.clear();
    for (const auto& file : scan.files) {
      files_.push_back(fs::path(file.path).lexically_relative(folder_ / "again"));
    }
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  sql::Database database_{sql::Database::Options{.threads = 2}};
  FilesSourceOptions options_;
  Kept still_;
  Lines files_;
  int names_ = 0;
};

TEST_F(MalformedFilesTest, WhatFitsNowIsARow) {
  write("a.csv", "id,name,amount\n1,a,1.5\n2,b,much\n3,\"c, \"\"x\"\"\nline\",more\n4,d\n");
  write("b.csv", "amount,id,name\r\nmuch,5,e\r\n1,6,f\r\n");
  write("c.csv", "id,name,amount\n7,g,much\n");
  ASSERT_EQ(std::system(("gzip " + (folder_ / "in" / "c.csv").string()).c_str()), 0);
  fs::create_directory(folder_ / "in" / "deeper");
  write("deeper/a.csv", "ID,Name,Amount\n8,h,much\n");
  options_.recursive_file_lookup = true;
  Kept kept;
  EXPECT_EQ(read(kept), (Lines{"1|a|1.5", "6|f|1.0"}));
  EXPECT_EQ(kept.size(), 6U);

  options_.schema = "id BIGINT, name VARCHAR, amount VARCHAR";
  EXPECT_EQ(again(kept),
            (Lines{"2|b|much", "3|c, \"x\"\nline|more", "5|e|much", "7|g|much", "8|h|much"}));
  EXPECT_EQ(still_.texts(), Lines{"4,d"});
  std::ranges::sort(files_, {}, [](const auto& path) { return path.substr(path.find('/')); });
  Lines names;
  for (const auto& path : files_) {
    names.push_back(path.substr(path.find('/') + 1));
  }
  EXPECT_EQ(names, (Lines{"a.csv", "a.csv", "b.csv", "c.csv"})) << "one for each file";
}

TEST_F(MalformedFilesTest, TextsStayAsTheyAre) {
  options_.format.header = false;
  const Lines texts{"\xFF\xFE", "\xEF\xBB\xBFx,a,1", "x,a\rb,1",
                    "x,a,1\r",  "x,\"a\r\nb\",1",    "x, a , 1 "};
  Kept kept;
  for (const auto& text : texts) {
    kept.add({.origin = "/somewhere/a.csv", .line = 1, .raw = text});
  }
  EXPECT_TRUE(again(kept).empty());
  EXPECT_EQ(still_.texts(), kept.texts());
  EXPECT_EQ(files_, Lines{"1/a.csv"});
}

TEST_F(MalformedFilesTest, JsonLines) {
  options_.kind = FileKind::json;
  write("a.json",
        "{\"id\": 1}\n{\"id\": 2, \"amount\": \"much\"}\n{\"id\": 3, \n[4]  \r\r\n\xFF\xFE\n");
  Kept kept;
  EXPECT_EQ(read(kept), Lines{"1|NULL|NULL"});
  options_.schema = "id BIGINT, name VARCHAR, amount VARCHAR";
  EXPECT_EQ(again(kept), Lines{"2|NULL|much"});
  EXPECT_EQ(still_.texts(), (Lines{"[4]  \r", "{\"id\": 3, ", "\xFF\xFE"}));
  EXPECT_EQ(files_, Lines{"1/a.json"});
}

// Side by side, the second and the third text would close the quote of the first: a row that was
// never there.
TEST_F(MalformedFilesTest, AnOpenQuoteSwallowsNoNeighbour) {
  const Lines open{R"(1,"open,1)", R"(2,"","x)", R"(3,a,","")"};
  const Lines closed{R"(4,"f"g,2)", R"(5,","",",x)", R"(6,x"y,x)"};
  Kept kept;
  for (const auto& texts : {open, closed}) {
    for (const auto& text : texts) {
      kept.add({.origin = "a.csv", .line = 1, .raw = text});
    }
  }
  EXPECT_TRUE(again(kept).empty());
  EXPECT_EQ(still_.texts(), kept.texts());
  EXPECT_EQ(files_, (Lines{"1/a.csv", "2/a.csv", "3/a.csv", "4/a.csv"}));

  options_.format.quote = 0;
  options_.schema = "id BIGINT, name VARCHAR, amount VARCHAR";
  EXPECT_EQ(again(kept), (Lines{R"(1|"open|1)", R"(2|""|"x)", R"(4|"f"g|2)", R"(6|x"y|x)"}));
  EXPECT_EQ(still_.texts(), (Lines{open[2], closed[1]})) << "too many fields";
  EXPECT_EQ(files_, Lines{"1/a.csv"}) << "quotes mean nothing";
}

TEST_F(MalformedFilesTest, EscapedQuotes) {
  options_.format.escape = '\\';
  options_.schema = R"(id BIGINT, "a ""name""" VARCHAR, "a,\b" VARCHAR)";
  Kept kept;
  kept.add({.origin = "a.csv", .line = 1, .raw = R"(1,"a \"b,\" c",x)"});
  kept.add({.origin = "a.csv", .line = 2, .raw = R"(2,"a \\",x)"});
  EXPECT_EQ(again(kept), (Lines{R"(1|a "b," c|x)", R"(2|a \|x)"}));
  EXPECT_EQ(files_, Lines{"1/a.csv"});
}

TEST_F(MalformedFilesTest, PartsAreOneRecordIfAllAreThere) {
  options_.format.max_line_bytes = 1'000'000;
  const std::string name(5'000'000, 'x');
  write("a.csv", "name,id,amount\na,1,1\n" + name + ",2,2\nb,3,3\n");
  Kept kept;
  EXPECT_EQ(read(kept), (Lines{"1|a|1.0", "3|b|3.0"}));
  ASSERT_GT(kept.size(), 2U);
  std::vector<MalformedRow> parts;
  const auto next = kept.rows();
  while (auto row = next()) {
    parts.push_back(std::move(*row));
  }
  EXPECT_TRUE(std::ranges::is_sorted(parts, {}, &MalformedRow::part));

  options_.format.max_line_bytes = 10'000'000;
  EXPECT_TRUE(again(kept) == Lines{"2|" + name + "|2.0"});
  EXPECT_EQ(still_.size(), 0U);
  // Twice there, in any order, and without one of them.
  Kept mixed;
  std::ranges::reverse(parts);
  for (const auto& part : parts) {
    mixed.add(part);
    mixed.add(part);
  }
  const auto lost = parts[1].part;
  std::erase_if(parts, [&](const auto& part) { return part.part == lost; });
  for (auto part : parts) {
    part.line = 7;
    mixed.add(part);
  }
  EXPECT_TRUE(again(mixed) == Lines(2, "2|" + name + "|2.0"));
  EXPECT_EQ(still_.size(), parts.size()) << "nothing is lost";
  EXPECT_EQ(std::ranges::distance(fs::recursive_directory_iterator(folder_ / "again")), 4)
      << "two folders, two files";
}

TEST_F(MalformedFilesTest, ATextOfSeveralLinesStaysMalformed) {
  Kept kept;
  kept.add({.origin = "a.csv", .line = 1, .raw = "1,a,1\n2,b,2"});
  kept.add({.origin = "a.csv", .line = 2, .raw = "3,\"open\n4,b,2"});
  EXPECT_TRUE(again(kept).empty());
  EXPECT_EQ(still_.texts(), kept.texts());
  options_.kind = FileKind::json;
  EXPECT_TRUE(again(kept).empty());
  EXPECT_EQ(still_.texts(), kept.texts());
}

TEST_F(MalformedFilesTest, NamesOfFilesLeadNowhereElse) {
  Kept kept;
  for (const char* origin : {"", "/", "..", "a/..", "/x/.GZ", "x.zst.gz", "in/x.csv.gz.ZST"}) {
    kept.add({.origin = origin, .line = 1, .raw = "1,a,1"});
  }
  EXPECT_EQ(again(kept).size(), 7U);
  EXPECT_EQ(files_, (Lines{"1/rows", "2/rows", "3/rows", "4/rows", "5/rows", "6/x", "7/x.csv"}));
}

TEST_F(MalformedFilesTest, ManyFilesAreWrittenInTurns) {
  const std::string name(10'000, 'n');
  Kept kept;
  for (int i = 0; i < 2'000; ++i) {
    kept.add({.origin = fmt::format("{}.csv", i % 7),
              .line = i,
              .raw = fmt::format("{},{},1", i, name)});
  }
  EXPECT_EQ(again(kept).size(), 2'000U);
  EXPECT_EQ(files_.size(), 7U);
}

TEST_F(MalformedFilesTest, WhatCanNotBeDoneIsAnError) {
  Kept kept;
  kept.add({.origin = "a.csv", .line = 1, .raw = "1,a,1", .header = "name,id,amount"});
  const auto error_of = [&](const std::string& folder) -> std::string {
    try {
      (void)source()->read_again(kept.rows(), folder, still_);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  options_.format.header = false;
  EXPECT_NE(error_of(folder_ / "again").find("set `header: true`"), std::string::npos);
  options_.format.header = true;
  write("file", "");
  EXPECT_NE(error_of(folder_ / "in" / "file").find("in/file"), std::string::npos);
  options_.kind = FileKind::parquet;
  EXPECT_NE(error_of(folder_ / "again").find("no records"), std::string::npos);
}

TEST_F(MalformedFilesTest, ThePermissiveColumnIsNoField) {
  write("a.csv", "id,name,amount\n1,a,much\n");
  Kept kept;
  EXPECT_TRUE(read(kept).empty());
  options_.format.on_malformed = OnMalformed::permissive;
  options_.format.corrupt_record_column = "bad";
  EXPECT_EQ(again(kept), Lines{"NULL|NULL|NULL|1,a,much"});
}

}  // namespace
}  // namespace millrace
