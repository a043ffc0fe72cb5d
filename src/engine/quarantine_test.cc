#include "engine/quarantine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/test_folder.h"
#include "core/source.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

MalformedRow row_of(std::int64_t line, std::string raw) {
  return {.origin = "in/a.csv",
          .line = line,
          .column = "amount",
          .raw = std::move(raw),
          .reason = "not a valid DOUBLE"};
}

class QuarantineTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_ / "quarantine"; }
  [[nodiscard]] std::vector<std::string> names(const std::string& source = "orders") const {
    return list_folder(path() + "/" + source);
  }
  /// The lines of a file, by the row's line.
  [[nodiscard]] std::map<std::int64_t, Json> lines(const std::string& file) const {
    std::ifstream in(path() + "/" + file);
    std::map<std::int64_t, Json> out;
    for (std::string text; std::getline(in, text);) {
      auto json = Json::parse(text);
      const auto line = json.at("line").get<std::int64_t>();
      EXPECT_TRUE(out.emplace(line, std::move(json)).second) << text;
    }
    return out;
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(QuarantineTest, KeepsEveryRowOfEveryThread) {
  constexpr int kThreads = 4;
  constexpr int kRows = 5000;
  const auto batch = Quarantine(path(), false).begin(7);
  auto& receiver = batch->receiver("orders");
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRows; i++) {
        receiver.add(row_of(t * kRows + i, std::string(i % 300, 'x')));
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  // Rows are on their way to the disk, but nobody sees them yet.
  EXPECT_THAT(names(), UnorderedElementsAre(".000000000007.jsonl.tmp"));
  batch->publish();
  EXPECT_THAT(names(), UnorderedElementsAre("000000000007.jsonl"));
  const auto kept = lines("orders/000000000007.jsonl");
  ASSERT_EQ(kept.size(), kThreads * kRows);
  EXPECT_EQ(kept.at(299).at("raw"), std::string(299, 'x'));
}

TEST_F(QuarantineTest, KeepsBytesExactly) {
  const auto batch = Quarantine(path(), false).begin(0);
  auto& receiver = batch->receiver("orders");
  const std::string text = std::string("\0\x01\t\r\n\"\\/\x7f ", 10) + "\xC3\xA4\xF0\x9F\x98\x80";
  receiver.add(row_of(1, text));
  receiver.add(row_of(2, std::string(1 << 20, 'y')));
  // Not UTF-8: a lone byte, half a surrogate pair, an overlong NUL, beyond the last character.
  receiver.add(row_of(3, "\xFF"));
  receiver.add(row_of(4, "\xED\xA0\x80"));
  receiver.add(row_of(5, "\xC0\x80"));
  receiver.add(row_of(6, "\xF4\x90\x80\x80"));
  auto part = row_of(7, "half");
  part.part = 2;
  receiver.add(part);
  batch->publish();
  const auto kept = lines("orders/000000000000.jsonl");
  EXPECT_EQ(kept.at(1), (Json{{"origin", "in/a.csv"},
                              {"line", 1},
                              {"column", "amount"},
                              {"reason", "not a valid DOUBLE"},
                              {"raw", text}}));
  EXPECT_EQ(kept.at(2).at("raw").get<std::string>().size(), 1U << 20U);
  EXPECT_EQ(kept.at(3).at("raw_base64"), "/w==");
  EXPECT_EQ(kept.at(4).at("raw_base64"), "7aCA");
  EXPECT_EQ(kept.at(5).at("raw_base64"), "wIA=");
  EXPECT_EQ(kept.at(6).at("raw_base64"), "9JCAgA==");
  EXPECT_FALSE(kept.at(6).contains("raw"));
  EXPECT_EQ(kept.at(7).at("part"), 2);
}

TEST_F(QuarantineTest, ABatchThatRunsAgainReplacesItsRows) {
  for (const auto* raw : {"first", "again"}) {
    const Quarantine quarantine(path(), true);
    quarantine.open();
    const auto batch = quarantine.begin(3);
    batch->receiver("orders").add(row_of(1, raw));
    batch->publish();
  }
  EXPECT_EQ(lines("orders/000000000003.jsonl").at(1).at("raw"), "again");
  // The pipeline was changed in between, and nothing is malformed any more.
  const auto batch = Quarantine(path(), true).begin(3);
  (void)batch->receiver("orders");
  batch->publish();
  EXPECT_TRUE(names().empty());
}

TEST_F(QuarantineTest, BatchesAndSourcesHaveFilesOfTheirOwn) {
  const Quarantine quarantine(path(), false);
  for (std::int64_t id = 0; id < 3; id++) {
    const auto batch = quarantine.begin(id);
    (void)batch->receiver("quiet");
    auto& orders = batch->receiver("orders");
    if (id != 1) {
      orders.add(row_of(id, "x"));
    }
    batch->receiver("events").add(row_of(id, "y"));
    batch->publish();
  }
  EXPECT_THAT(list_folder(path()), UnorderedElementsAre("events", "orders"));
  EXPECT_THAT(names(), UnorderedElementsAre("000000000000.jsonl", "000000000002.jsonl"));
  EXPECT_EQ(names("events").size(), 3U);
}

TEST_F(QuarantineTest, AbortAndTheNextStartLeaveNothingHalfDone) {
  const Quarantine quarantine(path(), false);
  auto batch = quarantine.begin(0);
  batch->receiver("orders").add(row_of(1, "x"));
  batch->publish();
  batch = quarantine.begin(1);
  batch->receiver("orders").add(row_of(1, "x"));
  batch.reset();
  EXPECT_THAT(names(), UnorderedElementsAre("000000000000.jsonl"));
  std::ofstream(path() + "/orders/.000000000001.jsonl.tmp") << "half a li";
  batch = quarantine.begin(1);  // the same process tries again, or another one
  batch->receiver("orders").add(row_of(2, "y"));
  batch->publish();
  EXPECT_EQ(lines("orders/000000000001.jsonl").at(2).at("raw"), "y");
  std::ofstream(path() + "/orders/.000000000002.jsonl.tmp") << "half a li";
  Quarantine(path(), false).open();
  EXPECT_THAT(names(), UnorderedElementsAre("000000000000.jsonl", "000000000001.jsonl"));
}

TEST_F(QuarantineTest, AFolderThatCannotBeWrittenIsAnErrorThatNamesIt) {
  std::ofstream(path()) << "a file in its place";
  const auto batch = Quarantine(path(), false).begin(0);
  try {
    batch->receiver("orders").add(row_of(1, "x"));
    FAIL() << "kept nowhere";
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::external);
    EXPECT_THAT(error.what(), HasSubstr(path()));
  }
}

}  // namespace
}  // namespace millrace
