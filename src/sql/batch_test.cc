#include "sql/batch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sql/plan.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using testing::Collect;
using testing::Rows;

/// Gives rows (i, "text i", NULL for every third) in slices of a given size.
class Counting final : public RowReader {
 public:
  Counting(std::size_t rows, std::size_t slice) : rows_(rows), slice_(slice) {}

  std::size_t read(ChunkWriter& to) override {
    const std::size_t n = std::min({slice_, rows_ - next_, kChunkRows});
    for (std::size_t i = 0; i < n; ++i, ++next_) {
      to.values<std::int64_t>(0)[i] = static_cast<std::int64_t>(next_);
      to.set_string(1, i, fmt::format("a text that is not inlined {}", next_));
      to.values<std::int32_t>(2)[i] = 7;
      if (next_ % 3 == 0) {
        to.set_null(1, i);
        to.set_null(2, i);
      }
    }
    return n;
  }

 private:
  std::size_t rows_;
  std::size_t slice_;
  std::size_t next_ = 0;
};

class BatchTest : public ::testing::Test {
 protected:
  BatchTest() { database_.declare("s", schema_, Shape::stream); }

  Rows rows_in(const std::shared_ptr<const Batch>& batch, const std::string& sql = "FROM s") {
    const auto plan = database_.plan("test", sql);
    plan->begin_batch(0, 0);
    plan->give("s", batch);
    Collect out;
    plan->run(plan->has_state() ? sql::Run::complete : sql::Run::rows, out);
    return out.sorted();
  }
  static Rows expected(std::size_t rows) {
    Rows all;
    for (std::size_t i = 0; i < rows; ++i) {
      all.push_back(i % 3 == 0 ? fmt::format("{}|NULL|NULL", i)
                               : fmt::format("{}|a text that is not inlined {}|7", i, i));
    }
    std::ranges::sort(all);
    return all;
  }

  Database database_{{.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""}};
  Schema schema_ = database_.parse_schema("id BIGINT, text VARCHAR, n INTEGER");
};

TEST_F(BatchTest, ReadsSlicesOfAnySize) {
  for (const std::size_t slice : {1UL, 63UL, 64UL, 65UL, 1000UL, 2047UL, 2048UL}) {
    for (const std::size_t rows : {0UL, 1UL, 64UL, 5000UL}) {
      const auto batch = std::make_shared<Batch>(schema_);
      Counting reader(rows, slice);
      batch->read(reader);
      EXPECT_EQ(batch->rows(), static_cast<std::int64_t>(rows));
      EXPECT_EQ(rows_in(batch), expected(rows)) << rows << " in slices of " << slice;
    }
  }
}

TEST_F(BatchTest, ColumnsNotKeptTakeNoMemory) {
  const auto all = std::make_shared<Batch>(schema_);
  const auto ids = std::make_shared<Batch>(schema_, std::vector<bool>{true, false, false});
  Counting first(20000, 2048);
  all->read(first);
  Counting second(20000, 2048);
  ids->read(second);
  EXPECT_LT(ids->bytes(), 200'000);
  EXPECT_GT(all->bytes(), 900'000);
  EXPECT_EQ(rows_in(ids, "SELECT count(*) AS c, sum(id) AS s FROM s"), Rows{"20000|199990000"});
}

TEST_F(BatchTest, ABatchOfOneRowIsSmall) {
  Batch batch(schema_);
  Counting reader(1, 1);
  batch.read(reader);
  EXPECT_LT(batch.bytes(), 200);
}

TEST_F(BatchTest, AppendsChunksAndBatches) {
  const auto batch = std::make_shared<Batch>(schema_);
  const auto source = std::make_shared<Batch>(schema_);
  Counting reader(5000, 700);
  source->read(reader);
  const auto plan = database_.plan("test", "FROM s");
  plan->begin_batch(0, 0);
  plan->give("s", source);
  Collect out;
  out.on_write = [&](const Chunk& chunk) {
    Batch part(schema_);
    part.append(chunk);
    batch->append(chunk);
    batch->append(std::move(part));
  };
  plan->run(sql::Run::rows, out);
  EXPECT_EQ(batch->rows(), 10000);
  Rows twice = expected(5000);
  const Rows once = twice;
  twice.insert(twice.end(), once.begin(), once.end());
  std::ranges::sort(twice);
  EXPECT_EQ(rows_in(batch), twice);
  batch->clear();
  EXPECT_EQ(batch->rows(), 0);
  EXPECT_EQ(batch->bytes(), 0);
  EXPECT_TRUE(rows_in(batch).empty());
}

}  // namespace
}  // namespace millrace::sql
