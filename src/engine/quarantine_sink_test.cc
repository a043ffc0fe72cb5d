#include "engine/quarantine_sink.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>

#include "base/files.h"
#include "base/test_folder.h"
#include "engine/quarantine.h"
#include "sql/render.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

using Rows = std::vector<std::vector<std::optional<std::string>>>;

/// Keeps what it is given, as texts.
class RowsBatch final : public SinkBatch {
 public:
  std::unique_ptr<SinkWriter> writer() override {
    writers++;
    return std::make_unique<Writer>(*this);
  }
  void stage() override {}
  void publish() override {}
  [[nodiscard]] SinkStats stats() const override { return {}; }

  Rows rows;
  std::size_t largest = 0;  ///< chunk, in rows
  int writers = 0;
  int finished = 0;

 private:
  struct Writer final : SinkWriter {
    explicit Writer(RowsBatch& batch) : to(batch) {}
    void write(const Chunk& chunk) override {
      to.largest = std::max(to.largest, chunk.rows);
      for (auto& row : sql::render(chunk)) {
        to.rows.push_back(std::move(row));
      }
    }
    void finish() override { to.finished++; }
    RowsBatch& to;
  };
};

class QuarantineSinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outputs_.malformed = Quarantine(folder_ / "quarantine", false).begin(7);
    outputs_.refused = Quarantine(folder_ / "refused", false).begin(7);
    outputs_.violating = Quarantine(folder_ / "violating", false).begin(7);
  }

  std::int64_t write() {
    for (auto* kept : {&outputs_.malformed, &outputs_.refused, &outputs_.violating}) {
      (*kept)->publish();
    }
    return write_quarantined(outputs_, batch_);
  }
  [[nodiscard]] std::optional<std::string> at(std::size_t row, std::string_view column) const {
    return batch_.rows.at(row).at(static_cast<std::size_t>(quarantine_columns().find(column)));
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  BatchOutputs outputs_;
  RowsBatch batch_;
};

TEST_F(QuarantineSinkTest, GivesRowsOfEveryKind) {
  outputs_.malformed->receiver("orders").add({.origin = "in/a.csv",
                                              .line = 3,
                                              .column = "amount",
                                              .raw = "1,two",
                                              .reason = "no number",
                                              .header = "id,amount"});
  outputs_.malformed->receiver("events").add(
      {.origin = "events/2",
       .line = 0,
       .raw = "\xff{",
       .reason = "no JSON",
       .message = MalformedRow::Message{.topic = "events",
                                        .partition = 2,
                                        .offset = 0,
                                        .timestamp_ms = 1'700'000'000'123,
                                        .key = "\xfe"}});
  outputs_.refused->receiver("out").add({.origin = "t", .raw = "{}", .reason = "large", .part = 2});
  outputs_.violating->receiver("valid").add({.origin = "valid", .raw = "{}", .reason = "positive"});
  ASSERT_EQ(write(), 4);
  EXPECT_EQ(batch_.writers, 1);
  EXPECT_EQ(batch_.finished, 1);

  EXPECT_EQ(at(0, "kind"), "malformed");
  EXPECT_EQ(at(0, "name"), "events");
  EXPECT_EQ(at(0, "batch"), "7");
  EXPECT_EQ(at(0, "line"), "0");
  EXPECT_EQ(at(0, "field"), std::nullopt);
  EXPECT_EQ(at(0, "raw"), std::nullopt);
  EXPECT_EQ(at(0, "raw_base64"), "/3s=");
  EXPECT_EQ(at(0, "message_partition"), "2");
  EXPECT_EQ(at(0, "message_offset"), "0");
  EXPECT_EQ(at(0, "message_time")->substr(0, 23), "2023-11-14 22:13:20.123");
  EXPECT_EQ(at(0, "message_key"), std::nullopt);
  EXPECT_EQ(at(0, "message_key_base64"), "/g==");

  EXPECT_EQ(at(1, "name"), "orders");
  EXPECT_EQ(at(1, "line"), "3");
  EXPECT_EQ(at(1, "field"), "amount");
  EXPECT_EQ(at(1, "raw"), "1,two");
  EXPECT_EQ(at(1, "raw_base64"), std::nullopt);
  EXPECT_EQ(at(1, "header"), "id,amount");
  EXPECT_EQ(at(1, "part"), std::nullopt);
  EXPECT_EQ(at(1, "message_topic"), std::nullopt);
  EXPECT_EQ(at(1, "message_key_base64"), std::nullopt);

  EXPECT_EQ(at(2, "kind"), "refused");
  EXPECT_EQ(at(2, "line"), std::nullopt);
  EXPECT_EQ(at(2, "part"), "2");
  EXPECT_EQ(at(3, "kind"), "violating");
  EXPECT_EQ(at(3, "reason"), "positive");
}

TEST_F(QuarantineSinkTest, GivesNothingIfNothingWasPutAside) {
  (void)outputs_.malformed->receiver("orders");
  EXPECT_EQ(write(), 0);
  EXPECT_EQ(batch_.writers, 0);
}

// A file of an attempt that another version of the pipeline made is none of this batch.
TEST_F(QuarantineSinkTest, GivesOnlyRowsOfItsBatch) {
  const auto earlier = Quarantine(folder_ / "quarantine", false).begin(7);
  earlier->receiver("gone").add({.origin = "a", .raw = "x", .reason = "old"});
  earlier->publish();
  outputs_.malformed->receiver("orders").add({.origin = "b", .raw = "y", .reason = "new"});
  EXPECT_EQ(write(), 1);
  EXPECT_EQ(at(0, "name"), "orders");
}

TEST_F(QuarantineSinkTest, HoldsAPartOfTheRowsAtATime) {
  // 24 rows of 2 MB: more than a part, in chunks of far less than 2,048 rows.
  const std::string raw(2UL << 20, 'x');
  for (int i = 0; i < 24; i++) {
    outputs_.malformed->receiver("wide").add(
        {.origin = "a", .line = i + 1, .raw = raw, .reason = "wide"});
  }
  for (int i = 0; i < 5000; i++) {
    outputs_.refused->receiver("narrow").add({.origin = "b", .raw = "x", .reason = "narrow"});
  }
  EXPECT_EQ(write(), 5024);
  EXPECT_EQ(batch_.rows.size(), 5024U);
  EXPECT_EQ(batch_.writers, 1);
  EXPECT_EQ(at(23, "raw")->size(), raw.size());
  EXPECT_EQ(at(24, "kind"), "refused");
}

}  // namespace
}  // namespace millrace
