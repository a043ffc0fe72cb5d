#include "connectors/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "sql/database.h"
#include "support/rows.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Texts = std::vector<std::string>;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    file_ = folder_ / "shop.duckdb";
    restart();
  }
  void TearDown() override { database_.reset(); }

  /// As if the process had ended and begun again.
  void restart() {
    database_.reset();
    database_ = std::make_unique<sql::Database>(sql::Database::Options{.threads = 2});
    rows_ = std::make_unique<support::Rows>(*database_);
    start_.schema = database_->parse_schema("k VARCHAR, n INTEGER");
  }
  ConnectorRequest request(const Node& connection, const Node& options, bool as_table = false) {
    ConnectorRequest request;
    request.name = "out";
    request.connection = &connection;
    request.options = &options;
    request.base_dir = folder_.string();
    request.database = database_.get();
    request.as_table = as_table;
    return request;
  }
  std::unique_ptr<Sink> sink(OutputMode mode = OutputMode::append) {
    const auto connection = support::mapping({{"path", "shop.duckdb"}});
    const auto options = support::mapping({{"table", "totals"}});
    Diagnostics diagnostics;
    auto made = store_connector()->make_sink(request(connection, options), diagnostics);
    EXPECT_FALSE(diagnostics.has_errors());
    start_.mode = mode;
    start_.pipeline = "p";
    made->open(start_);
    return made;
  }
  std::unique_ptr<Source> source(std::initializer_list<std::pair<std::string, std::string>> options,
                                 bool as_table = false) {
    const auto connection = support::mapping({{"path", "shop.duckdb"}});
    const auto node = support::mapping(options);
    Diagnostics diagnostics;
    auto made = store_connector()->make_source(request(connection, node, as_table), diagnostics);
    EXPECT_FALSE(diagnostics.has_errors());
    return made;
  }
  std::string error_of_opening() {
    try {
      (void)sink(start_.mode);
    } catch (const Error& error) {
      EXPECT_NE(error.blame(), Blame::internal);
      return error.what();
    }
    return "no error";
  }
  void write(Sink& to, std::int64_t batch, const std::string& query) {
    stats_ = rows_->write_batch(to, batch, start_.schema, query);
    start_.last_committed = batch;
  }
  Texts table() {
    Texts texts;
    for (const auto& row : database_->query(sink(start_.mode)->query()).rows) {
      texts.push_back(row[0].value_or("NULL") + "=" + row[1].value_or("NULL"));
    }
    return texts;
  }

  TempFolder temporary_;
  fs::path folder_ = temporary_.path();
  fs::path file_;
  std::unique_ptr<sql::Database> database_;
  support::NoMalformed none_refused_;
  std::unique_ptr<support::Rows> rows_;
  SinkStart start_;
  SinkStats stats_;
};

TEST_F(StoreTest, AppendsAndRecognisesABatchThatIsThere) {
  start_.checkpoint = "c1";
  auto to = sink();
  write(*to, 0, "SELECT 'a' AS k, 1 AS n");
  write(*to, 1, "SELECT 'b' AS k, 2 AS n");
  EXPECT_EQ(stats_.rows, 1);
  to.reset();
  // The process died before the commit log: batch 1 runs again.
  restart();
  start_.last_committed = 0;
  to = sink();
  write(*to, 1, "SELECT 'b' AS k, 2 AS n");
  write(*to, 2, "SELECT NULL::VARCHAR AS k, 3 AS n");
  start_.last_committed = 2;
  EXPECT_THAT(table(), UnorderedElementsAre("a=1", "b=2", "NULL=3"));
}

TEST_F(StoreTest, NothingOfAnAbortedBatchIsSeen) {
  auto to = sink();
  auto batch = to->begin(0, none_refused_);
  rows_->give(*batch, start_.schema, "SELECT 'a' AS k, 1 AS n");
  batch->stage();
  batch.reset();
  EXPECT_THAT(table(), IsEmpty());
  write(*to, 0, "SELECT 'b' AS k, 2 AS n");
  EXPECT_THAT(table(), ElementsAre("b=2"));
}

TEST_F(StoreTest, UpdatesByKeyWhereNullIsAKeyToo) {
  start_.key = {"k"};
  auto to = sink(OutputMode::update);
  write(*to, 0, "SELECT * FROM (VALUES ('a', 1), ('b', 2), (NULL, 3)) AS t(k, n)");
  write(*to, 1, "SELECT * FROM (VALUES (NULL, 30), ('a', 10), ('c', 4)) AS t(k, n)");
  EXPECT_THAT(table(), UnorderedElementsAre("a=10", "b=2", "c=4", "NULL=30"));
  write(*to, 2, "SELECT 'a' AS k, NULL::INTEGER AS n WHERE false");
  EXPECT_EQ(table().size(), 4U);
}

TEST_F(StoreTest, UpdatesTheOneRowOfAGlobalAggregate) {
  auto to = sink(OutputMode::update);
  write(*to, 0, "SELECT 'all' AS k, 1 AS n");
  write(*to, 1, "SELECT 'all' AS k, 5 AS n");
  EXPECT_THAT(table(), ElementsAre("all=5"));
}

TEST_F(StoreTest, ReplacesTheWholeTable) {
  auto to = sink(OutputMode::complete);
  write(*to, 0, "SELECT i::VARCHAR AS k, i::INTEGER AS n FROM range(5000) AS t(i)");
  write(*to, 1, "SELECT 'a' AS k, 1 AS n");
  EXPECT_THAT(table(), ElementsAre("a=1"));
  write(*to, 2, "SELECT 'a' AS k, 1 AS n WHERE false");
  EXPECT_THAT(table(), IsEmpty());
}

// Else the first batch of the new checkpoint would be taken for one that is there already.
TEST_F(StoreTest, RowsOfAnotherCheckpointAreNotTakenForOurs) {
  start_.checkpoint = "c1";
  write(*sink(), 0, "SELECT 'a' AS k, 1 AS n");
  start_.checkpoint = "c2";
  EXPECT_THAT(error_of_opening(), AllOf(HasSubstr("another checkpoint"), HasSubstr("drop")));
  // As the message says: without the table, its history is forgotten.
  {
    sql::Database other({});
    database_.reset();
    (void)other.query("ATTACH " + sql::quote_text(file_.string()) + " AS s");
    (void)other.query("DROP TABLE s.totals");
  }
  restart();
  write(*sink(), 0, "SELECT 'b' AS k, 2 AS n");
  EXPECT_THAT(table(), ElementsAre("b=2"));
}

TEST_F(StoreTest, ACompleteTableMayComeFromAnyCheckpoint) {
  start_.checkpoint = "c1";
  write(*sink(OutputMode::complete), 0, "SELECT 'a' AS k, 1 AS n");
  start_.checkpoint = "c2";
  write(*sink(OutputMode::complete), 0, "SELECT 'b' AS k, 2 AS n");
  EXPECT_THAT(table(), ElementsAre("b=2"));
}

TEST_F(StoreTest, AnOlderCheckpointIsRefused) {
  start_.checkpoint = "c1";
  auto to = sink();
  for (std::int64_t batch = 0; batch < 4; batch++) {
    write(*to, batch, "SELECT 'a' AS k, 1 AS n");
  }
  start_.last_committed = 1;
  EXPECT_THAT(error_of_opening(), AllOf(HasSubstr("up to batch 3"), HasSubstr("older copy")));
}

TEST_F(StoreTest, OtherColumnsAreToldOneByOne) {
  (void)sink();
  start_.schema = database_->parse_schema("k VARCHAR, n BIGINT, extra DATE");
  EXPECT_THAT(error_of_opening(),
              AllOf(HasSubstr("column 2 is `n INTEGER` in the table and `n BIGINT`"),
                    HasSubstr("`extra` is missing in the table")));
}

TEST_F(StoreTest, ColumnsThatTheTableLacksAreAdded) {
  write(*sink(), 0, "SELECT 'a' AS k, 1 AS n");
  for (const auto* columns :
       {"k VARCHAR, n INTEGER, day DATE", "k VARCHAR, \"or\" INTEGER[], n INTEGER, day DATE"}) {
    restart();
    start_.schema = database_->parse_schema(columns);
    EXPECT_EQ(database_->query(sink()->query()).schema.size(), start_.schema.size());
    EXPECT_EQ(error_of_opening(), "no error");
  }
  write(*sink(), 1, "SELECT 'b' AS k, [5] AS \"or\", 2 AS n, DATE '2024-02-29' AS day");
  Texts rows;
  for (const auto& row : database_->query(sink()->query()).rows) {
    std::string text;
    for (const auto& value : row) {
      text += value.value_or("NULL") + "|";
    }
    rows.push_back(text);
  }
  EXPECT_THAT(rows, UnorderedElementsAre("a|NULL|1|NULL|", "b|[5]|2|2024-02-29|"));
  // One that was taken away is told.
  start_.schema = database_->parse_schema("k VARCHAR, \"or\" INTEGER[], day DATE, more DATE");
  EXPECT_THAT(error_of_opening(), HasSubstr("column 3 is `n INTEGER`"));
}

TEST_F(StoreTest, AFileThatIsNoStoreIsAnError) {
  std::ofstream(file_) << std::string(10'000, 'x');
  EXPECT_THAT(error_of_opening(), AllOf(HasSubstr(file_.string()), HasSubstr("restore it")));
}

TEST_F(StoreTest, AStoreInUseByAnotherProcessIsAnError) {
  (void)sink();
  database_.reset();
  std::array<int, 2> ready{};
  std::array<int, 2> done{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(done.data()), 0);
  const auto child = ::fork();
  if (child == 0) {
    sql::Database other({.threads = 1});
    (void)other.query("ATTACH " + sql::quote_text(file_.string()) + " AS s");
    char byte = 1;
    (void)!::write(ready[1], &byte, 1);
    (void)!::read(done[0], &byte, 1);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  restart();
  EXPECT_THAT(error_of_opening(), AllOf(HasSubstr(file_.string()), HasSubstr("another process")));
  ASSERT_EQ(::write(done[1], &byte, 1), 1);
  int status = 0;
  ::waitpid(child, &status, 0);
}

// Rows that were replaced must not stay in the file for ever.
TEST_F(StoreTest, AnUpdatedTableStaysSmall) {
  start_.key = {"k"};
  auto to = sink(OutputMode::update);
  const auto update = [&](std::int64_t batch) {
    write(*to, batch,
          "SELECT i::VARCHAR AS k, (i + " + std::to_string(batch) +
              ")::INTEGER AS n FROM range(2000) AS t(i)");
  };
  for (std::int64_t batch = 0; batch < 150; batch++) {
    update(batch);
  }
  EXPECT_EQ(table().size(), 2000U);
  database_.reset();
  EXPECT_LT(fs::file_size(file_), 8U << 20U);
}

TEST_F(StoreTest, ReadsAStreamByAGrowingColumnWhileWritingTheSameStore) {
  auto to = sink();
  write(*to, 0, "SELECT i::VARCHAR AS k, i::INTEGER AS n FROM range(1, 6) AS t(i)");
  auto from = source({{"table", "totals"}, {"incremental", "n"}, {"max_rows_per_trigger", "2"}});
  from->open(std::nullopt);
  const auto first = from->plan(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(from->plan(0)->offsets, first->offsets);  // plan() does not move
  EXPECT_THAT(rows_->of(*from, first->offsets), UnorderedElementsAre("1|1", "2|2"));
  from->advance(first->offsets);
  write(*to, 1, "SELECT 'new' AS k, 9 AS n");
  EXPECT_THAT(rows_->of(*from, first->offsets), UnorderedElementsAre("1|1", "2|2"));

  auto restarted = source({{"table", "totals"}, {"incremental", "n"}});
  restarted->open(from->position());
  restarted->stop_at_present();
  const auto rest = restarted->plan(0);
  ASSERT_TRUE(rest);
  EXPECT_THAT(rows_->of(*restarted, rest->offsets),
              UnorderedElementsAre("3|3", "4|4", "5|5", "new|9"));
  restarted->advance(rest->offsets);
  EXPECT_FALSE(restarted->plan(0));
}

TEST_F(StoreTest, ReadsATableWhole) {
  write(*sink(), 0, "SELECT 'a' AS k, 1 AS n");
  auto from = source({{"table", "totals"}}, /*as_table=*/true);
  from->open(std::nullopt);
  const auto slice = from->plan(5);
  ASSERT_TRUE(slice);
  EXPECT_THAT(rows_->of(*from, slice->offsets), ElementsAre("a|1"));
}

TEST_F(StoreTest, AStreamNeedsAGrowingColumn) {
  write(*sink(), 0, "SELECT 'a' AS k, 1 AS n");
  const auto connection = support::mapping({{"path", "shop.duckdb"}});
  const auto options = support::mapping({{"table", "totals"}});
  Diagnostics diagnostics;
  EXPECT_EQ(store_connector()->make_source(request(connection, options), diagnostics), nullptr);
  ASSERT_EQ(diagnostics.error_count(), 1U);
  EXPECT_THAT(diagnostics.all()[0].message, HasSubstr("needs `incremental`"));
  auto missing = source({{"table", "nothing"}, {"incremental", "n"}});
  EXPECT_THROW((void)missing->schema(), Error);
  auto wrong = source({{"table", "totals"}, {"incremental", "id"}});
  EXPECT_THROW((void)wrong->schema(), Error);
}

}  // namespace
}  // namespace millrace
